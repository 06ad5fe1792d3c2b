package org.peftjava.transformers.model;

import org.peftjava.torch.Tensor;

/**
 * A {@link Backbone} of two stacks of layers: an encoder that reads the source text, whose hidden
 * states are what {@link Backbone#forward} returns, and a decoder that attends to them.
 */
public interface EncoderDecoder {
  /**
   * The decoder's hidden states (b, t, e), owned by the current scope. Extends the cache, if the
   * input has one.
   */
  Tensor decode(DecoderInput input);

  /** What hidden states are multiplied with before they reach the head. */
  default double headScale() {
    return 1;
  }

  /** Whether a number is added to each token's logits: {@code final_logits_bias}. */
  default boolean hasLogitsBias() {
    return false;
  }
}
