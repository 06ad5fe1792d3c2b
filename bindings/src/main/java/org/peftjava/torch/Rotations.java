package org.peftjava.torch;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.LaunchGrid;

/**
 * Turns element i and element i + d/2 of queries and keys by an angle of their position, as rotary
 * position embeddings do (arXiv:2104.09864). On a card in one pass over memory each way, elsewhere
 * composed.
 */
public final class Rotations {
  private Rotations() {}

  /**
   * {@code y[i] = x[i] cos[i] + x[i + d/2] sin[i]}, indices modulo d; the first product is rounded
   * to x's type.
   *
   * @param x (b, h, t, d), d even
   * @param cos (b or 1, 1, t, d)
   * @param sin as cos, its first half negated
   * @return (b, h, t, d)
   */
  public static Tensor apply(Tensor x, Tensor cos, Tensor sin) {
    Optional<KernelLauncher> kernels = kernels(x, cos, sin);
    if (kernels.isEmpty()) {
      try (TensorScope scope = TensorScope.open("rotate")) {
        return scope.keep(x.mul(cos).addcmulInPlace(Ops.roll(x, x.size(3) / 2), sin, 1));
      }
    }
    return CustomGradient.of(
        turned(kernels.get(), x.detach(), cos, sin, false),
        List.of(x),
        List.of(cos, sin),
        (gradient, saved) -> {
          Tensor g = isVector(gradient) ? gradient : gradient.contiguous();
          return Arrays.asList(turned(kernels.get(), g, saved.get(0), saved.get(1), true));
        });
  }

  private static Optional<KernelLauncher> kernels(Tensor x, Tensor cos, Tensor sin) {
    return x.rank() == 4
            && x.size(3) % 16 == 0
            && cos.dtype() == x.dtype()
            && sin.dtype() == x.dtype()
            && cos.size(3) == x.size(3)
            && cos.size(2) == x.size(2)
            && cos.size(1) == 1
            && (cos.size(0) == 1 || cos.size(0) == x.size(0))
            && cos.shape().equals(sin.shape())
            && !(cos.requiresGrad() || sin.requiresGrad())
            && CardTensors.suffix(x.dtype()).isPresent()
        ? CardPath.anywhere(x, cos, sin)
            .filter(k -> isVector(x) && isVector(cos) && isVector(sin) && sameStrides(cos, sin))
        : Optional.empty();
  }

  /** Whether every vector of the last dimension is gapless and starts at a multiple of 16 bytes. */
  private static boolean isVector(Tensor x) {
    long size = x.dtype().byteSize();
    boolean aligned = x.address() % 16 == 0;
    for (int i = 0; i < 3; i++) {
      aligned &= stride(x, i) * size % 16 == 0;
    }
    return aligned && stride(x, 3) == 1;
  }

  private static boolean sameStrides(Tensor a, Tensor b) {
    return stride(a, 0) == stride(b, 0) && stride(a, 2) == stride(b, 2);
  }

  private static long stride(Tensor x, int dimension) {
    return x.stride(dimension);
  }

  /** The result, with the heads of a token side by side in memory. */
  private static Tensor turned(
      KernelLauncher kernels, Tensor x, Tensor cos, Tensor sin, boolean backward) {
    long heads = x.size(1);
    long tokens = x.size(2);
    Tensor y = Creation.empty(x.dtype(), x.device(), x.size(0), tokens, heads, x.size(3));
    long count = x.numel() / 8;
    kernels.launch(
        "rotate" + CardTensors.suffix(x.dtype()).orElseThrow(),
        LaunchGrid.over(count, 1, 256),
        x.address(),
        stride(x, 0),
        stride(x, 1),
        stride(x, 2),
        cos.address(),
        sin.address(),
        cos.size(0) == 1 ? 0 : stride(cos, 0),
        stride(cos, 2),
        y.address(),
        heads,
        tokens,
        x.size(3),
        backward ? 1 : 0,
        count);
    return y.transpose(1, 2);
  }
}
