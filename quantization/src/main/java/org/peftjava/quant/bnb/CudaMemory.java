package org.peftjava.quant.bnb;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.cuda.KernelLauncher;

/** Which tensors the CUDA kernels can work on: gapless ones on one card. */
final class CudaMemory {
  private static volatile @Nullable StandIn standIn;

  /** A launcher in place of the usual one for tensors on a device; null for none at all. */
  private record StandIn(Device device, @Nullable KernelLauncher launcher) {}

  private CudaMemory() {}

  /** What starts kernels for all of these, null counting as anywhere; empty if nothing can. */
  static Optional<KernelLauncher> launcher(Tensor first, @Nullable Tensor... others) {
    Device device = first.device();
    Optional<KernelLauncher> result = launcher(device);
    if (result.isEmpty() || !first.isContiguous()) {
      return Optional.empty();
    }
    for (Tensor other : others) {
      if (other != null && !(other.isContiguous() && other.device().equals(device))) {
        return Optional.empty();
      }
    }
    return result;
  }

  /** What starts kernels on a device. */
  static Optional<KernelLauncher> launcher(Device device) {
    StandIn instead = standIn;
    if (instead != null && instead.device.equals(device)) {
      return Optional.ofNullable(instead.launcher);
    }
    return device.isCuda() ? CudaKernels.on(device) : Optional.empty();
  }

  /**
   * Makes tensors on a device go to another launcher, or to none, until closed: tests run the
   * kernels on the CPU so. On every thread: the backward pass of a card has its own.
   */
  static Closing standIn(Device device, @Nullable KernelLauncher launcher) {
    StandIn before = standIn;
    standIn = new StandIn(device, launcher);
    return () -> standIn = before;
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
