package org.peftjava.quant.bnb;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.CardTensors;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.cuda.KernelLauncher;

/** Which tensors the CUDA kernels can work on: gapless ones on one card. */
final class CudaMemory {
  static final CardTensors CARDS = new CardTensors(CudaKernels::on);

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

  /** Whether wide loads may start at a tensor. */
  static boolean isAligned(Tensor tensor, int bytes) {
    return tensor.address() % bytes == 0;
  }
}
