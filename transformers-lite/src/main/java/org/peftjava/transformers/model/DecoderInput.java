package org.peftjava.transformers.model;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Tensor;

/**
 * What a decoder that attends to an encoder computes hidden states from.
 *
 * @param tokens the decoder's own tokens
 * @param encoderStates (b, s, e), what the encoder made of the source text
 * @param encoderMask (b, s), 1 for tokens of the source and 0 for padding; null if nothing is
 *     padded
 * @param past what was kept of the tokens before, or null; its part for the decoder's own tokens is
 *     also {@code tokens.past()}
 * @param crossTrace what keeps the weights of the attention to the encoder, or null
 */
public record DecoderInput(
    BackboneInput tokens,
    Tensor encoderStates,
    @Nullable Tensor encoderMask,
    @Nullable EncoderDecoderCache past,
    @Nullable LayerTrace crossTrace) {

  /** Checks the shapes against each other. */
  public DecoderInput {
    if (encoderStates.rank() != 3 || encoderStates.size(0) != tokens.batch()) {
      throw new IllegalArgumentException(
          "The encoder's states have shape "
              + encoderStates.shape()
              + " for "
              + tokens.batch()
              + " rows of decoder tokens. Expected (batch, source tokens, hidden size) with as many"
              + " rows.");
    }
    if (encoderMask != null
        && (encoderMask.rank() != 2
            || encoderMask.size(0) != encoderStates.size(0)
            || encoderMask.size(1) != encoderStates.size(1))) {
      throw new IllegalArgumentException(
          "attentionMask has shape "
              + encoderMask.shape()
              + ". Expected ["
              + encoderStates.size(0)
              + ", "
              + encoderStates.size(1)
              + "]: one number per row and source token.");
    }
  }
}
