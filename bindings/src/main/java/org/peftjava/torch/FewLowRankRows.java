package org.peftjava.torch;

import java.util.Optional;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.LaunchGrid;

/**
 * {@link LowRankUpdate} of few rows on a card, as decoding has them: two launches, in float32, on
 * ordinary cores, for float32 matrices and activations of any type.
 */
final class FewLowRankRows {
  private static final long MOST = 16;
  private static final int TOGETHER = 4; // rows, as ROWS of low_rank.cu

  private FewLowRankRows() {}

  /** Adds the update in y's memory; false, with nothing done, if it is none of this class's. */
  static boolean add(Tensor y, Tensor x, Tensor a, Tensor b, double scaling) {
    long n = x.numel() / x.size(-1);
    Optional<String> suffix = CardTensors.suffix(x.dtype());
    if (n > MOST
        || suffix.isEmpty()
        || y.dtype() != x.dtype()
        || a.dtype() != DType.FLOAT32
        || b.dtype() != DType.FLOAT32) {
      return false;
    }
    Optional<KernelLauncher> found = CardPath.gapless(y, x, a, b);
    found.ifPresent(kernels -> add(kernels, suffix.get(), y, x, a, b, scaling, n));
    return found.isPresent();
  }

  private static void add(
      KernelLauncher kernels,
      String suffix,
      Tensor y,
      Tensor x,
      Tensor a,
      Tensor b,
      double scaling,
      long n) {
    long r = a.size(0);
    long o = b.size(0);
    int groups = Math.toIntExact((n + TOGETHER - 1) / TOGETHER);
    try (TensorScope scope = TensorScope.open("low rank")) {
      long low = Creation.empty(DType.FLOAT32, x.device(), n, r).address();
      kernels.launch(
          "lowRankDown" + suffix,
          new LaunchGrid(Math.toIntExact(r), groups, 256),
          x.address(),
          a.address(),
          KernelLauncher.argument(scaling),
          low,
          n,
          a.size(1),
          r);
      kernels.launch(
          "lowRankUp" + suffix,
          new LaunchGrid(LaunchGrid.over(o, 1, 64).x(), groups, 64),
          low,
          b.address(),
          y.address(),
          n,
          o,
          r);
    }
  }
}
