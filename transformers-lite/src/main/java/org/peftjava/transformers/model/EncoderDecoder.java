package org.peftjava.transformers.model;

import org.peftjava.torch.Tensor;

/**
 * Two stacks of transformer layers without a head: an encoder that reads the source text, and a
 * decoder that attends to what the encoder made of it.
 */
public abstract class EncoderDecoder extends Backbone {
  /** For subclasses. */
  protected EncoderDecoder() {}

  /** The encoder's hidden states (b, s, e) of the source text, owned by the current scope. */
  @Override
  public abstract Tensor forward(BackboneInput source);

  /**
   * The decoder's hidden states (b, t, e), owned by the current scope. Extends the cache, if the
   * input has one.
   */
  public abstract Tensor decode(DecoderInput input);

  /** What hidden states are multiplied with before they reach the head. */
  public double headScale() {
    return 1;
  }
}
