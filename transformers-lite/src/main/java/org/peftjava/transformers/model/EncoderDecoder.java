package org.peftjava.transformers.model;

import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Module;

/**
 * Two stacks of transformer layers without a head: an encoder that reads the source text, and a
 * decoder that attends to what the encoder made of it.
 */
public abstract class EncoderDecoder extends Module {
  private boolean gradientCheckpointing;

  /** For subclasses. */
  protected EncoderDecoder() {}

  /** The source text's hidden states (b, s, e), owned by the current scope. */
  public abstract Tensor encode(BackboneInput source);

  /**
   * The hidden states (b, t, e) of the decoder's tokens, owned by the current scope. Extends the
   * cache, if the input has one.
   */
  public abstract Tensor decode(DecoderInput input);

  /** The token embedding of both stacks. */
  public abstract EmbeddingLayer inputEmbeddings();

  /** Length of a hidden state as it reaches the head. */
  public abstract int outputSize();

  /** What hidden states are multiplied with before they reach the head. */
  public double headScale() {
    return 1;
  }

  /** Number of decoder layers. */
  public abstract int decoderLayers();

  /**
   * Recomputes each layer in the backward pass instead of keeping its intermediates, while
   * training.
   */
  public final void gradientCheckpointing(boolean on) {
    gradientCheckpointing = on;
  }

  /** Whether layers shall be recomputed while training. */
  protected final boolean isGradientCheckpointing() {
    return gradientCheckpointing;
  }
}
