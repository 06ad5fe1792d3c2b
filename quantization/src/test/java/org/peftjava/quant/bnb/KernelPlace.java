package org.peftjava.quant.bnb;

import java.util.function.Supplier;
import org.peftjava.torch.Device;
import org.peftjava.torch.cuda.KernelLauncher;

/** Where the CUDA kernels run: on a card, or compiled for the CPU. */
record KernelPlace(Device device, Supplier<KernelLauncher> open) {
  static final KernelPlace CPU = new KernelPlace(Device.CPU, EmulatedLauncher::new);

  static final KernelPlace CARD =
      new KernelPlace(Device.cuda(0), () -> CudaKernels.on(0).orElseThrow());
}
