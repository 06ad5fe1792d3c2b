package org.peftjava.torch;

import org.peftjava.torch.kernels.ElementType;
import org.peftjava.torch.kernels.NativeKernels;
import org.peftjava.torch.runtime.NativeRuntime;

/**
 * Decides whether the native kernels can work on some tensors: there, on the CPU, gapless, not
 * empty, float32 or bfloat16.
 */
final class FastPath {
  static {
    NativeRuntime.ensureLoaded(); // the kernels share libtorch's OpenMP: it loads first
  }

  private FastPath() {}

  static boolean covers(Tensor first, Tensor... others) {
    if (!NativeKernels.available() || !covers(first)) {
      return false;
    }
    for (Tensor other : others) {
      if (!covers(other)) {
        return false;
      }
    }
    return true;
  }

  private static boolean covers(Tensor tensor) {
    DType type = tensor.dtype();
    return (type == DType.FLOAT32 || type == DType.BFLOAT16)
        && tensor.isOnCpu()
        && tensor.isContiguous()
        && tensor.numel() > 0;
  }

  /** The same where only the last dimension need have no gaps. */
  static boolean coversRows(Tensor tensor) {
    DType type = tensor.dtype();
    return NativeKernels.available()
        && (type == DType.FLOAT32 || type == DType.BFLOAT16)
        && tensor.isOnCpu()
        && tensor.numel() > 0
        && tensor.stride(-1) == 1;
  }

  static ElementType type(Tensor tensor) {
    return tensor.dtype() == DType.BFLOAT16 ? ElementType.BFLOAT16 : ElementType.FLOAT32;
  }

  static int threads() {
    return NativeRuntime.threads();
  }
}
