package org.peftjava.quant.bnb;

import java.util.Optional;
import org.peftjava.torch.CardTensors;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.LaunchGrid;
import org.peftjava.torch.optim.AdamW;

/** A step of {@link AdamW8bit} in one launch for each parameter. */
final class CudaAdamW {
  private static final int THREADS = 256;

  private CudaAdamW() {}

  /**
   * Takes a step; false if it cannot.
   *
   * @param p the parameter, gapless
   * @param g its gradient, gapless and of the same type
   * @param state whose steps include this one
   */
  static boolean step(
      Tensor p, Tensor g, MomentState state, AdamW.Options options, double learningRate) {
    Optional<String> suffix = CardTensors.suffix(p.dtype());
    Optional<KernelLauncher> found =
        p.dtype() == g.dtype() ? CudaMemory.launcher(p, g) : Optional.empty();
    if (suffix.isEmpty() || found.isEmpty()) {
      return false;
    }
    KernelLauncher launcher = found.get();
    double correction1 = 1 - Math.pow(options.beta1(), state.steps());
    double correction2 = Math.sqrt(1 - Math.pow(options.beta2(), state.steps()));
    long[] numbers = {
      KernelLauncher.argument(options.beta1()),
      KernelLauncher.argument(1 - options.beta1()),
      KernelLauncher.argument(options.beta2()),
      KernelLauncher.argument(1 - options.beta2()),
      KernelLauncher.argument(-learningRate * correction2 / correction1),
      KernelLauncher.argument(correction2 * options.eps()),
      KernelLauncher.argument(1 - learningRate * options.weightDecay())
    };
    long n = p.numel();
    if (state.isCoded()) {
      launcher.launch(
          "adamwCoded" + suffix.get(),
          LaunchGrid.over(n, 8, THREADS),
          concat(
              new long[] {
                p.address(),
                g.address(),
                state.address("state1"),
                state.address("state2"),
                state.address("absmax1"),
                state.address("absmax2"),
                launcher.table(CodeBook.DYNAMIC.valueArray()),
                launcher.table(CodeBook.DYNAMIC.limits()),
                launcher.table(CodeBook.DYNAMIC_UNSIGNED.valueArray()),
                launcher.table(CodeBook.DYNAMIC_UNSIGNED.limits()),
                n
              },
              numbers));
    } else {
      launcher.launch(
          "adamwWide" + suffix.get(),
          LaunchGrid.over(n, 1, THREADS),
          concat(
              new long[] {
                p.address(), g.address(), state.address("state1"), state.address("state2"), n
              },
              numbers));
    }
    return true;
  }

  private static long[] concat(long[] first, long[] second) {
    long[] all = new long[first.length + second.length];
    System.arraycopy(first, 0, all, 0, first.length);
    System.arraycopy(second, 0, all, first.length, second.length);
    return all;
  }
}
