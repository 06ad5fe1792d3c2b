package org.peftjava.torch.cuda;

import java.util.List;
import java.util.Optional;

/** The kernels of a training step on a card, beside the matrix products. */
public final class TrainingKernels {
  private static final DeviceKernels KERNELS =
      new DeviceKernels("dropout, gated products, LoRA and AdamW", sources());

  private TrainingKernels() {}

  /** The sources, in the order in which a kernel is looked for. */
  public static List<KernelSource> sources() {
    return List.of(source("training.cu"), source("low_rank.cu"), source("optimizer.cu"));
  }

  private static KernelSource source(String name) {
    return KernelSource.ofResources(TrainingKernels.class, "sources", name, List.of());
  }

  /** What starts the kernels on a card; empty, with a warning once, if nothing can. */
  public static Optional<KernelLauncher> on(int card) {
    return KERNELS.on(card);
  }
}
