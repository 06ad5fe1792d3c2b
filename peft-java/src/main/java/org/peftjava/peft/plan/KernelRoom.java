package org.peftjava.peft.plan;

import org.peftjava.torch.DType;
import org.peftjava.torch.runtime.NativeRuntime;

/** Memory of the CPU's kernels, which they keep from call to call. */
final class KernelRoom {
  /** Rows of a product that are packed at once; wide_kernels.h. */
  private static final long ROWS_AT_ONCE = 1024;

  /** Queries of which attention has the scores at once; attention_kernels.h. */
  private static final long QUERIES_AT_ONCE = 48;

  /**
   * A thread's sums of 512 rows and 256 results, and weights of 512 terms for them, forward and
   * backward; amx_tiles.inl.
   */
  private static final long TILES = 2L * 512 * 256 * 4 + 256L * 512 * 2;

  private KernelRoom() {}

  /** Bytes for a step with the rows of the longest stack. */
  static long bytes(ModelSizes sizes, StepOptions options, StepKernels kernels) {
    if (kernels.onCard) {
      return 0;
    }
    long tokens = sizes.stacks.stream().mapToLong(s -> s.tokens(options)).max().orElse(0);
    long layers =
        Math.min(tokens, ROWS_AT_ONCE) * sizes.widest * kernels.packedBytes(kernels.productType);
    long head = sizes.writes && !sizes.holdsLogits ? head(sizes, options, kernels) : 0;
    // Kernels of different kinds of weights pack into different memory.
    long packed = kernels.densedInCaches ? layers + head : Math.max(layers, head);
    return packed
        + dense(sizes, options, kernels)
        + NativeRuntime.threads() * ofThread(sizes, options, kernels);
  }

  /** The gradient of the logits of some rows is multiplied with the head. */
  private static long head(ModelSizes sizes, StepOptions options, StepKernels kernels) {
    int bytes = kernels.packedBytes(options.dtype());
    long terms = kernels.tiles ? Math.max(sizes.hidden, sizes.vocabulary) : sizes.hidden;
    return Math.min(MemoryPlan.LOSS_ROWS, sizes.last().tokens(options)) * terms * bytes;
  }

  /** The largest quantized weight, where weights are made dense in memory. */
  private static long dense(ModelSizes sizes, StepOptions options, StepKernels kernels) {
    return options.quantizationConfig().isEmpty() || kernels.densedInCaches
        ? 0
        : sizes.largest * kernels.productType.byteSize();
  }

  private static long ofThread(ModelSizes sizes, StepOptions options, StepKernels kernels) {
    return (kernels.onKernels ? attention(sizes, options) : 0) + (kernels.tiles ? TILES : 0);
  }

  /** Scores and their gradients; keys, values and the sums of their gradients, of one head. */
  private static long attention(ModelSizes sizes, StepOptions options) {
    long keys =
        Math.max(options.sequence(), sizes.stacks.size() > 1 ? options.targetSequence() : 0);
    long scores = 2 * QUERIES_AT_ONCE * keys + 3 * QUERIES_AT_ONCE * sizes.headSize;
    long copies = 5 * (keys + QUERIES_AT_ONCE) * sizes.headSize;
    return DType.FLOAT32.byteSize() * (scores + copies + keys);
  }
}
