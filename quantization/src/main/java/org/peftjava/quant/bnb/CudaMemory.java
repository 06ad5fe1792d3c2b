package org.peftjava.quant.bnb;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.CardTensors;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.cuda.KernelLauncher;

/** Which tensors the CUDA kernels can work on: gapless ones on one card. */
final class CudaMemory {
  static final CardTensors CARDS = new CardTensors(CudaKernels::on);

  /** What a piece's address is a multiple of: wide loads may start there. */
  private static final long BOUNDARY = 16;

  private CudaMemory() {}

  /** What starts kernels for all of these, null counting as anywhere; empty if nothing can. */
  static Optional<KernelLauncher> launcher(Tensor first, @Nullable Tensor... others) {
    return CARDS.gapless(first, others);
  }

  /** What starts kernels on a device. */
  static Optional<KernelLauncher> launcher(Device device) {
    return CARDS.on(device);
  }

  /** The address of a tensor, 0 for none. */
  static long address(@Nullable Tensor tensor) {
    return tensor == null ? 0 : tensor.address();
  }

  /**
   * Addresses of pieces of new memory, which lives as long as the open scope: one call of libtorch
   * for all of them.
   *
   * @param bytes of each; a piece of none has the address 0
   */
  static long[] pieces(Device device, long... bytes) {
    long[] result = new long[bytes.length];
    long all = 0;
    for (int i = 0; i < bytes.length; i++) {
      result[i] = all;
      all += (bytes[i] + BOUNDARY - 1) / BOUNDARY * BOUNDARY;
    }
    long start = Creation.empty(DType.UINT8, device, all).address();
    for (int i = 0; i < bytes.length; i++) {
      result[i] = bytes[i] == 0 ? 0 : start + result[i];
    }
    return result;
  }

  /** Whether wide loads may start at a tensor. */
  static boolean isAligned(Tensor tensor, int bytes) {
    return tensor.address() % bytes == 0;
  }
}
