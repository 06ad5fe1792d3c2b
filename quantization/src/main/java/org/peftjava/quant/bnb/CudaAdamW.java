package org.peftjava.quant.bnb;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.peftjava.torch.CardTensors;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.KernelTable;
import org.peftjava.torch.cuda.LaunchGrid;
import org.peftjava.torch.optim.AdamW;

/** A step of {@link AdamW8bit} on cards, of all parameters of a type in one launch. */
final class CudaAdamW {
  private static final int THREADS = 256;
  private static final int ENTRY = 8;

  private final AdamW.Options options;
  private final double learningRate;
  private final Map<Kernel, KernelTable> tables = new LinkedHashMap<>();

  /** A kernel of one card. */
  private record Kernel(KernelLauncher launcher, String name) {}

  CudaAdamW(AdamW.Options options, double learningRate) {
    this.options = options;
    this.learningRate = learningRate;
  }

  /**
   * Adds a parameter; false if there is no kernel that could update it.
   *
   * @param g of the size of {@code p}; both must stay open until {@link #run}
   * @param state whose steps include this one
   */
  boolean add(Tensor p, Tensor g, MomentState state) {
    Optional<String> suffix = CardTensors.suffix(p.dtype());
    if (suffix.isEmpty() || p.dtype() != g.dtype()) {
      return false;
    }
    Optional<KernelLauncher> launcher = CudaMemory.launcher(p, g);
    if (launcher.isEmpty()) {
      return false;
    }
    double correction1 = 1 - Math.pow(options.beta1(), state.steps());
    double correction2 = Math.sqrt(1 - Math.pow(options.beta2(), state.steps()));
    MomentState.Addresses moments = state.addresses();
    long n = p.numel();
    tables
        .computeIfAbsent(
            new Kernel(launcher.get(), "adamw8bit" + suffix.get()), key -> new KernelTable(ENTRY))
        .add(
            LaunchGrid.over(n, 8, THREADS).x(),
            p.address(),
            g.address(),
            moments.state1(),
            moments.state2(),
            moments.absmax1(),
            moments.absmax2(),
            n,
            KernelLauncher.pair(
                -learningRate * correction2 / correction1, correction2 * options.eps()));
    return true;
  }

  /** Takes the step of all that were added. */
  void run() {
    tables.forEach(
        (kernel, table) -> {
          KernelLauncher launcher = kernel.launcher();
          table.launch(
              launcher,
              kernel.name(),
              THREADS,
              launcher.table(CodeBook.DYNAMIC.valueArray()),
              launcher.table(CodeBook.DYNAMIC.limits()),
              launcher.table(CodeBook.DYNAMIC_UNSIGNED.valueArray()),
              launcher.table(CodeBook.DYNAMIC_UNSIGNED.limits()),
              KernelLauncher.argument(options.beta1()),
              KernelLauncher.argument(1 - options.beta1()),
              KernelLauncher.argument(options.beta2()),
              KernelLauncher.argument(1 - options.beta2()),
              KernelLauncher.argument(1 - learningRate * options.weightDecay()));
        });
  }
}
