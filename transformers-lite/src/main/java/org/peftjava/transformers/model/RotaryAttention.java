package org.peftjava.transformers.model;

import org.peftjava.torch.Tensor;

/** The attention of a rotary decoder layer, whichever way it projects. */
public interface RotaryAttention {
  /** Attends from each token of x (b, t, e) to those that the mask allows; returns (b, t, e). */
  Tensor forward(Tensor x, RotaryContext context);

  /**
   * What each token of x gets when it asks only vectors that stand beside the text, without
   * positions and without a mask.
   *
   * @param x (b, t, e)
   * @param vectors (1, n, e), projected as tokens are
   * @param gate (1), by which the weights of the vectors are multiplied
   * @return (b, t, e)
   */
  Tensor askBeside(Tensor x, Tensor vectors, Tensor gate, RotaryContext context);
}
