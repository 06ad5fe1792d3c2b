package org.peftjava.torch.cuda;

import java.util.List;
import java.util.Optional;

/** The kernels of a step of decoding on a card, beside the matrix products. */
public final class DecodingKernels {
  private static final DeviceKernels KERNELS = new DeviceKernels("decoding", sources());

  private DecodingKernels() {}

  /** The sources, in the order in which a kernel is looked for. */
  public static List<KernelSource> sources() {
    return List.of(
        KernelSource.ofResources(DecodingKernels.class, "sources", "decoding.cu", List.of()));
  }

  /** What starts the kernels on a card; empty, with a warning once, if nothing can. */
  public static Optional<KernelLauncher> on(int card) {
    return KERNELS.on(card);
  }
}
