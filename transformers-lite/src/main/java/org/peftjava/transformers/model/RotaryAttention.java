package org.peftjava.transformers.model;

import org.peftjava.torch.Tensor;

/** The attention of a rotary decoder layer, whichever way it projects. */
public interface RotaryAttention {
  /** Attends from each token of x (b, t, e) to those that the mask allows; returns (b, t, e). */
  Tensor forward(Tensor x, RotaryContext context);
}
