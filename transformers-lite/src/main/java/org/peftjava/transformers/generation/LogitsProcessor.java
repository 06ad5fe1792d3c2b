package org.peftjava.transformers.generation;

import org.peftjava.torch.Tensor;

/**
 * Changes the logits before a token is chosen; Python's class of the same name. Give your own to
 * {@link GenerateOptions}.
 */
@FunctionalInterface
public interface LogitsProcessor {
  /**
   * The logits to choose from. Runs in a scope without gradients; the argument must not be changed
   * in place.
   *
   * @param inputIds the tokens so far
   * @param logits (b, v), float32; in beam search the logarithms of probabilities
   * @return (b, v); negative infinity rules a token out
   */
  Tensor logits(InputIds inputIds, Tensor logits);
}
