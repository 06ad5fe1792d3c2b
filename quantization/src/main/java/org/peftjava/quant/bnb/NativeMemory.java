package org.peftjava.quant.bnb;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.kernels.ElementType;
import org.peftjava.torch.kernels.NativeKernels;

/** Which tensors the native kernels can work on: gapless ones on the CPU. */
final class NativeMemory {
  private NativeMemory() {}

  /** Whether there are kernels and they can read all of these; null counts as yes. */
  static boolean covers(@Nullable Tensor... tensors) {
    if (!NativeKernels.available()) {
      return false;
    }
    for (Tensor tensor : tensors) {
      if (tensor != null && (tensor.device().isCuda() || !tensor.isContiguous())) {
        return false;
      }
    }
    return true;
  }

  /** The kernels' name of a type, if they have it. */
  static Optional<ElementType> elementType(DType type) {
    return switch (type) {
      case FLOAT32 -> Optional.of(ElementType.FLOAT32);
      case BFLOAT16 -> Optional.of(ElementType.BFLOAT16);
      default -> Optional.empty();
    };
  }

  /** The sizes of x with another last one. */
  static long[] withLast(Tensor x, long last) {
    long[] sizes = x.shape().toArray();
    sizes[sizes.length - 1] = last;
    return sizes;
  }
}
