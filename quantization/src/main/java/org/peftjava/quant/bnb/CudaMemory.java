package org.peftjava.quant.bnb;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.cuda.KernelLauncher;

/** Which tensors the CUDA kernels can work on: gapless ones on one card. */
final class CudaMemory {
  private static final ThreadLocal<@Nullable KernelLauncher> STAND_IN = new ThreadLocal<>();

  private CudaMemory() {}

  /** What starts kernels for all of these, null counting as anywhere; empty if nothing can. */
  static Optional<KernelLauncher> launcher(Tensor first, @Nullable Tensor... others) {
    KernelLauncher standIn = STAND_IN.get();
    if (standIn == null && !first.device().isCuda()) {
      return Optional.empty();
    }
    if (!first.isContiguous()) {
      return Optional.empty();
    }
    for (Tensor other : others) {
      if (other != null && !(other.isContiguous() && other.device().equals(first.device()))) {
        return Optional.empty();
      }
    }
    return standIn == null ? CudaKernels.on(first.device()) : Optional.of(standIn);
  }

  /**
   * Makes this thread's tensors on the CPU go to a launcher that can read them, until closed: tests
   * run the kernels so without a card.
   */
  static Closing standIn(KernelLauncher launcher) {
    STAND_IN.set(launcher);
    return STAND_IN::remove;
  }

  /** An end of something, without an exception. */
  interface Closing extends AutoCloseable {
    @Override
    void close();
  }

  /** The end of a kernel's name for numbers of a type, if there are such kernels. */
  static Optional<String> suffix(DType type) {
    return switch (type) {
      case FLOAT32 -> Optional.of("F32");
      case FLOAT16 -> Optional.of("F16");
      case BFLOAT16 -> Optional.of("BF16");
      default -> Optional.empty();
    };
  }

  /** The address of a tensor, 0 for none. */
  static long address(@Nullable Tensor tensor) {
    return tensor == null ? 0 : tensor.address();
  }

  /** Whether wide loads may start at a tensor. */
  static boolean isAligned(Tensor tensor, int bytes) {
    return tensor.address() % bytes == 0;
  }
}
