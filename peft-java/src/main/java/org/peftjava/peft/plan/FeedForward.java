package org.peftjava.peft.plan;

import org.peftjava.torch.DType;

/**
 * The feed-forward blocks of a model, in whose backward pass most gradients exist at once.
 *
 * @param width of what is projected back, numbers a token
 * @param gated whether one projection is multiplied with the activation of another
 * @param gatedInOnePass whether that product's gradients are computed without further tensors
 * @param adaptsLast whether the projection back has an adapter
 */
record FeedForward(long width, boolean gated, boolean gatedInOnePass, boolean adaptsLast) {

  /**
   * Bytes at the worst moment of the backward pass of a block.
   *
   * @param dense bytes of a quantized weight that is made dense for one product
   */
  long bytes(long tokens, long hidden, int size, long dense, StepKernels kernels) {
    long products = tokens * projection(size, hidden, kernels) + dense;
    return Math.max(
        products, tokens * Math.max(activation(size, hidden, kernels), update(size, kernels)));
  }

  /** The gradient that the adapter has given, that of the frozen projection, and float32 copies. */
  private long projection(int size, long hidden, StepKernels kernels) {
    return width * size * (adaptsLast ? 2 : 1) + copies(hidden, kernels);
  }

  /** Of gradient and result of a product whose operands are widened. */
  private long copies(long hidden, StepKernels kernels) {
    return kernels.widens ? DType.FLOAT32.byteSize() * (width + hidden) : 0;
  }

  /**
   * The gradient of the activation's output; without a gate, one of the two that it is the sum of,
   * which is let go when the next function of ours runs; the gradients of gate and projection, or
   * of the projection alone. All of them are still there when the first one is multiplied.
   */
  private long activation(int size, long hidden, StepKernels kernels) {
    int gradients = gated ? (gatedInOnePass ? 3 : 4) : adaptsLast ? 3 : 2;
    return width * size * gradients + copies(hidden, kernels);
  }

  /** The adapter's gradient of its input, on cards also in float32, and the input made again. */
  private long update(int size, StepKernels kernels) {
    if (!adaptsLast) {
      return 0;
    }
    return switch (kernels.update) {
      case FUSED -> 2L * width * size;
      case ON_CARD -> width * ((kernels.dropout > 0 ? 3L : 2L) * size + 4);
      case COMPOSED -> width * ((long) size + kernels.adapterType.byteSize());
    };
  }
}
