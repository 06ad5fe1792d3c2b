package org.peftjava.transformers.model;

import org.peftjava.torch.Tensor;

/** The attention of a decoder layer that needs a mask and no more. */
public interface MaskedAttention {
  /** Attends from each token of x (b, t, e) to those that the mask allows; returns (b, t, e). */
  Tensor forward(Tensor x, DecoderContext context);

  /**
   * What each token of x gets when it asks only vectors that stand beside the text, without a mask
   * and before the projection back.
   *
   * @param x (b, t, e)
   * @param vectors (1, n, e), projected as tokens are
   * @param gate (1), by which the weights of the vectors are multiplied
   * @return (b, t, e)
   */
  Tensor askBeside(Tensor x, Tensor vectors, Tensor gate);
}
