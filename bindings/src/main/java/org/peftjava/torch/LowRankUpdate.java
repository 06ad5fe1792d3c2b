package org.peftjava.torch;

import java.util.Arrays;
import java.util.List;
import org.peftjava.torch.kernels.ElementwiseKernel;

/**
 * {@code y + s * (drop(x) A^T) B^T}: the operator behind LoRA, with a gradient written by hand.
 *
 * <p>Shapes: x (..., d), y (..., o), A (r, d), B (o, r). The sum is computed in A's type, or B's if
 * that is wider, and rounded once to y's. Compared with a composition of operators, only x and the
 * (..., r) product are saved, no mask, the sum is added into y's memory, and casts happen inside
 * the passes that are needed anyway. Reference: PEFT {@code tuners/lora/layer.py::Linear.forward}.
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
    checkShapes(y, x, a, b);
    return FastPath.covers(y, x, a, b) && a.dtype() == DType.FLOAT32 && b.dtype() == DType.FLOAT32
        ? addFused(y, x, a, b, scaling, dropout)
        : addComposed(y, x, a, b, scaling, dropout);
  }

  private static void checkShapes(Tensor y, Tensor x, Tensor a, Tensor b) {
    if (x.size(-1) != a.size(-1)
        || a.size(0) != b.size(-1)
        || y.size(-1) != b.size(0)
        || y.numel() * x.size(-1) != x.numel() * y.size(-1)) {
      throw new TorchException.ShapeMismatch(
          "An update of y "
              + y.shape()
              + " by x "
              + x.shape()
              + ", A "
              + a.shape()
              + ", B "
              + b.shape()
              + " does not fit: expected y (..., o), x (..., d), A (r, d), B (o, r).");
    }
  }

  private static Tensor addComposed(
      Tensor y, Tensor x, Tensor a, Tensor b, double scaling, double dropout) {
    DType type = a.dtype().byteSize() < b.dtype().byteSize() ? b.dtype() : a.dtype();
    Tensor dropped = Dropouts.dropout(x.to(type), dropout);
    Tensor low = MatrixOps.linear(dropped, a.to(type), null);
    return y.add(MatrixOps.linear(low, b.to(type), null).mul(scaling)).to(y.dtype());
  }

  private static Tensor addFused(
      Tensor y, Tensor x, Tensor a, Tensor b, double scaling, double dropout) {
    long seed = dropout == 0 ? 0 : Randomness.nextMaskSeed();
    Tensor value;
    Tensor low;
    try (TensorScope scope = TensorScope.open("low rank");
        GradMode off = GradMode.noGrad()) {
      low = scope.keep(dropped(x, dropout, seed).matmul(a.detach().t())); // (n, r)
      value = scope.keep(y.detach());
      addProduct(value.reshape(-1, y.size(-1)), low, b.detach().t(), scaling);
    }
    boolean gradientOfX = x.requiresGrad();
    boolean gradientOfA = a.requiresGrad();
    return CustomGradient.of(
        value,
        List.of(y, x, a, b),
        List.of(x, a, b, low),
        (gradient, saved) -> {
          Tensor savedX = saved.get(0);
          Tensor g = gradient.to(DType.FLOAT32).reshape(-1, gradient.size(-1)); // (n, o)
          Tensor gB = g.t().matmul(saved.get(3)).mulInPlace(scaling); // (o, r)
          Tensor gLow = g.matmul(saved.get(2)).mulInPlace(scaling); // (n, r)
          Tensor gA =
              gradientOfA ? gLow.t().matmul(dropped(savedX, dropout, seed)) : null; // (r, d)
          Tensor gX = gradientOfX ? gradientOfX(savedX, gLow, saved.get(1), dropout, seed) : null;
          return Arrays.asList(gradient, gX, gA, gB);
        });
  }

  /**
   * x after dropout as float32 (n, d): x itself if nothing is to be done, else in memory that is
   * reused.
   */
  private static Tensor dropped(Tensor x, double dropout, long seed) {
    Tensor flat = x.detach().reshape(-1, x.size(-1));
    if (dropout == 0 && x.dtype() == DType.FLOAT32) {
      return flat;
    }
    Tensor buffer =
        Scratch.floats(Scratch.Purpose.DROPPED, x.numel()).reshape(flat.shape().toArray());
    Dropouts.mask(flat, buffer, dropout, seed);
    return buffer;
  }

  /** {@code y += scaling * low * bt}, computed in float32 and rounded once. */
  private static void addProduct(Tensor y, Tensor low, Tensor bt, double scaling) {
    if (y.dtype() == DType.FLOAT32) {
      MatrixOps.addmmInto(y, low, bt, 1, scaling);
      return;
    }
    Tensor update = Scratch.floats(Scratch.Purpose.DROPPED, y.numel()).reshape(y.shape().toArray());
    MatrixOps.addmmInto(update, low, bt, 0, scaling);
    ElementwiseKernel.addScaled(
        FastPath.type(update),
        update.address(),
        FastPath.type(y),
        y.address(),
        y.numel(),
        1,
        FastPath.threads());
  }

  private static Tensor gradientOfX(Tensor x, Tensor gLow, Tensor a, double dropout, long seed) {
    long[] sizes = x.shape().toArray();
    if (dropout == 0 && x.dtype() == DType.FLOAT32) {
      return gLow.matmul(a).reshape(sizes);
    }
    Tensor wide =
        Scratch.floats(Scratch.Purpose.DROPPED, x.numel()).reshape(gLow.size(0), a.size(1));
    MatrixOps.addmmInto(wide, gLow, a, 0, 1);
    Tensor gX = Creation.empty(x.dtype(), Device.CPU, sizes);
    Dropouts.mask(wide, gX, dropout, seed);
    return gX;
  }
}
