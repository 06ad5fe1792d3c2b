package org.peftjava.quant.bnb;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.peftjava.torch.cuda.DeviceKernels;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.KernelSource;

/** The kernels of quantized weights and of their optimizer, on a card. */
final class CudaKernels {
  private static final List<String> HEADERS = List.of("blockwise.cuh", "int8.cuh", "tiles.cuh");

  private static final DeviceKernels KERNELS =
      new DeviceKernels("quantized weights and 8-bit AdamW", sources());

  private CudaKernels() {}

  /** The sources, in the order in which a kernel is looked for. */
  static List<KernelSource> sources() {
    return Stream.of("four_bit.cu", "four_bit_tiles.cu", "int8.cu", "int8_few.cu", "eight_bit.cu")
        .map(name -> KernelSource.ofResources(CudaKernels.class, "cuda", name, HEADERS))
        .toList();
  }

  /** What starts the kernels on a card; empty, with a warning once, if nothing can. */
  static Optional<KernelLauncher> on(int card) {
    return KERNELS.on(card);
  }
}
