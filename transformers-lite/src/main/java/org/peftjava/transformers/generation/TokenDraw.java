package org.peftjava.transformers.generation;

import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;

/** Where sampling gets its random numbers; tests pass on those of a Python run. */
@FunctionalInterface
interface TokenDraw {
  /** libtorch's generator. */
  TokenDraw MULTINOMIAL = Ops::multinomial;

  /** Draws {@code count} different indices per row (b, count) by their probabilities (b, n). */
  Tensor drawTensor(Tensor probabilities, long count);
}
