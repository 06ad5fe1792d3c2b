package org.peftjava.quant.bnb;

import java.util.List;
import java.util.Optional;
import org.peftjava.torch.cuda.DeviceKernels;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.KernelSource;

/** The kernels of quantized weights and of their optimizer, on a card. */
final class CudaKernels {
  private static final List<String> HEADERS = List.of("blockwise.cuh", "int8.cuh");

  private static final DeviceKernels KERNELS =
      new DeviceKernels("quantized weights and 8-bit AdamW", sources());

  private CudaKernels() {}

  /** The sources, in the order in which a kernel is looked for. */
  static List<KernelSource> sources() {
    return List.of(
        source("four_bit.cu"), source("int8.cu"), source("int8_few.cu"), source("eight_bit.cu"));
  }

  private static KernelSource source(String name) {
    return KernelSource.ofResources(CudaKernels.class, "cuda", name, HEADERS);
  }

  /** What starts the kernels on a card; empty, with a warning once, if nothing can. */
  static Optional<KernelLauncher> on(int card) {
    return KERNELS.on(card);
  }
}
