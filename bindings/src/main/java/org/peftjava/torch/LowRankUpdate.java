package org.peftjava.torch;

import java.util.Arrays;
import java.util.List;

/**
 * {@code y + s * (drop(x) A^T) B^T}: the operator behind LoRA, with a gradient written by hand.
 *
 * <p>Shapes: x (..., d), y (..., o), A (r, d), B (o, r). The sum is computed in A's type and
 * returned in y's. Compared with composing it from operators it saves only x and the low-rank
 * product, adds into y's memory instead of making two copies, and casts each operand once.
 * Reference: PEFT {@code tuners/lora/layer.py::Linear.forward}.
 */
public final class LowRankUpdate {
  private LowRankUpdate() {}

  /**
   * Adds the update to y.
   *
   * @param y a fresh result that nobody else uses: its memory may be overwritten
   * @param dropout probability in [0, 1), 0 when not training
   */
  public static Tensor add(Tensor y, Tensor x, Tensor a, Tensor b, double scaling, double dropout) {
    Randomness.State before = Randomness.save();
    Tensor value;
    Tensor low;
    try (TensorScope scope = TensorScope.open("low rank");
        GradMode off = GradMode.noGrad()) {
      Tensor dropped = dropped(x, a.dtype(), dropout);
      Tensor flatLow = MatrixOps.linear(dropped, a.detach(), null); // (n, r)
      Tensor sum = y.detach().to(a.dtype()).reshape(-1, y.size(-1));
      MatrixOps.addmmInto(sum, flatLow, b.detach().t(), 1, scaling);
      value = scope.keep(sum.to(y.dtype()).reshape(y.shape().toArray()));
      low = scope.keep(flatLow);
    }
    boolean gradientOfX = x.requiresGrad();
    return CustomGradient.of(
        value,
        List.of(y, x, a, b),
        List.of(x, a, b, low),
        (gradient, saved) -> {
          Tensor savedX = saved.get(0);
          Tensor savedA = saved.get(1);
          Tensor savedB = saved.get(2);
          Tensor g = gradient.to(savedA.dtype()).reshape(-1, gradient.size(-1)); // (n, o)
          Tensor gLow = g.matmul(savedB).mulInPlace(scaling); // (n, r)
          Tensor gB = g.t().matmul(saved.get(3)).mulInPlace(scaling); // (o, r)
          Randomness.State after = Randomness.save();
          Randomness.restore(before);
          Tensor mask =
              dropout == 0
                  ? null
                  : Dropouts.dropout(
                      Creation.ones(
                          savedA.dtype(), savedX.numel() / savedX.size(-1), savedX.size(-1)),
                      dropout);
          Randomness.restore(after);
          Tensor plain = savedX.to(savedA.dtype()).reshape(-1, savedX.size(-1));
          Tensor gA = gLow.t().matmul(mask == null ? plain : plain.mul(mask)); // (r, d)
          Tensor gX = null;
          if (gradientOfX) {
            gX = gLow.matmul(savedA);
            gX = (mask == null ? gX : gX.mulInPlace(mask)).to(savedX.dtype());
            gX = gX.reshape(savedX.shape().toArray());
          }
          return Arrays.asList(gradient, gX, gA, gB);
        });
  }

  private static Tensor dropped(Tensor x, DType type, double p) {
    Tensor flat = x.detach().to(type).reshape(-1, x.size(-1));
    return p == 0
        ? flat
        : flat.mul(Dropouts.dropout(Creation.ones(type, flat.size(0), flat.size(1)), p));
  }
}
