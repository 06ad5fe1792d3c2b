package org.peftjava.torch;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.LaunchGrid;
import org.peftjava.torch.kernels.RotationKernel;

/**
 * Turns element i and element i + d/2 of queries and keys by an angle of their position, as rotary
 * position embeddings do (arXiv:2104.09864). On the CPU and on cards in one pass over memory each
 * way, elsewhere composed.
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
    Optional<Turn> kernel = kernel(x, cos, sin);
    if (kernel.isEmpty()) {
      try (TensorScope scope = TensorScope.open("rotate")) {
        return scope.keep(x.mul(cos).addcmulInPlace(Ops.roll(x, x.size(3) / 2), sin, 1));
      }
    }
    Turn turn = kernel.get();
    return CustomGradient.of(
        turn.turned(x, cos, sin, false),
        List.of(x),
        List.of(cos, sin),
        (gradient, saved) ->
            Arrays.asList(turn.turned(gradient, saved.get(0), saved.get(1), true)));
  }

  /** A kernel: turns x, or turns a gradient back. Outside the graph. */
  private interface Turn {
    Tensor turned(Tensor x, Tensor cos, Tensor sin, boolean backward);
  }

  private static Optional<Turn> kernel(Tensor x, Tensor cos, Tensor sin) {
    boolean fits =
        x.rank() == 4
            && cos.dtype() == x.dtype()
            && sin.dtype() == x.dtype()
            && cos.size(3) == x.size(3)
            && cos.size(2) == x.size(2)
            && cos.size(1) == 1
            && (cos.size(0) == 1 || cos.size(0) == x.size(0))
            && cos.shape().equals(sin.shape())
            && !(cos.requiresGrad() || sin.requiresGrad());
    if (!fits) {
      return Optional.empty();
    }
    Optional<Turn> onCard =
        x.size(3) % 16 == 0 && CardTensors.suffix(x.dtype()).isPresent()
            ? CardPath.anywhere(x, cos, sin)
                .filter(k -> isVector(x) && isVector(cos) && isVector(sin) && sameStrides(cos, sin))
                .map(k -> (y, c, s, backward) -> turnedOnCard(k, y, c, s, backward))
            : Optional.empty();
    return onCard.isEmpty() && isOnCpu(x) && isOnCpu(cos) && isOnCpu(sin)
        ? Optional.of(Rotations::turnedOnCpu)
        : onCard;
  }

  private static boolean isOnCpu(Tensor x) {
    return FastPath.coversRows(x) && x.size(3) % 2 == 0;
  }

  private static Tensor turnedOnCpu(Tensor given, Tensor cos, Tensor sin, boolean backward) {
    Tensor x = given.stride(3) == 1 ? given : given.contiguous();
    Tensor y = like(x);
    RotationKernel.turn(
        FastPath.type(x),
        new RotationKernel.Sizes(x.size(0), x.size(1), x.size(2), x.size(3)),
        FusedAttention.operand(x),
        FusedAttention.shared(cos),
        FusedAttention.shared(sin),
        FusedAttention.operand(y),
        backward,
        FastPath.threads());
    return y;
  }

  /** Room for x (b, h, t, d), with the heads of a token side by side in memory. */
  private static Tensor like(Tensor x) {
    try (GradMode off = GradMode.noGrad()) {
      return Creation.empty(x.dtype(), x.device(), x.size(0), x.size(2), x.size(1), x.size(3))
          .transpose(1, 2);
    }
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

  private static Tensor turnedOnCard(
      KernelLauncher kernels, Tensor given, Tensor cos, Tensor sin, boolean backward) {
    Tensor x = isVector(given) ? given.detach() : given.detach().contiguous();
    Tensor y = like(x);
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
        x.size(1),
        x.size(2),
        x.size(3),
        backward ? 1 : 0,
        count);
    return y;
  }
}
