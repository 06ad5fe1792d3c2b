package org.peftjava.quant.bnb;

import java.util.Optional;
import org.peftjava.torch.Device;
import org.peftjava.torch.cuda.KernelLauncher;

/** The kernels of quantized weights and of their optimizer, on a card. */
final class CudaKernels {
  private CudaKernels() {}

  static Optional<KernelLauncher> on(Device device) {
    return Optional.empty();
  }
}
