package org.peftjava.torch;

import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.kernels.SmallProductKernel;
import org.peftjava.torch.runtime.NativeRuntime;

/**
 * Matrix products.
 *
 * <p>Letters in the shapes: {@code d} input features, {@code o} output features, {@code n} rows,
 * {@code ...} any leading sizes.
 */
public final class MatrixOps {
  /**
   * Elements of a bfloat16 weight that are widened at a time: few enough to stay in the
   * second-level cache.
   */
  private static final long WIDENED_ELEMENTS = 1 << 18;

  private MatrixOps() {}

  /**
   * {@code x W^T + bias}.
   *
   * @param x (..., d)
   * @param weight (o, d), of x's type
   * @param bias (o), or null; one that is trained in float32 beside a frozen weight is rounded
   * @return (..., o)
   */
  public static Tensor linear(Tensor x, Tensor weight, @Nullable Tensor bias) {
    if (bias != null && bias.dtype() != weight.dtype()) {
      return linear(x, weight, bias.to(weight.dtype()));
    }
    if (isSmall(x, weight, bias, false)) {
      return smallLinear(x, weight, bias, false);
    }
    if (needsWidening(x, weight, bias)) {
      return widenedLinear(x, weight, bias);
    }
    if (WideProduct.covers(x, weight, bias, true)) {
      return WideProduct.of(x, weight, bias, true);
    }
    return Natives.op(() -> torch.linear(x.handle(), weight.handle(), Natives.optional(bias)));
  }

  /**
   * {@code x W + bias}, for a weight that is stored the other way round.
   *
   * @param x (..., d)
   * @param weight (d, o), of x's type
   * @param bias (o), or null, as in {@link #linear}
   * @return (..., o)
   */
  public static Tensor linearTransposed(Tensor x, Tensor weight, @Nullable Tensor bias) {
    if (bias != null && bias.dtype() != weight.dtype()) {
      return linearTransposed(x, weight, bias.to(weight.dtype()));
    }
    if (isSmall(x, weight, bias, true)) {
      return smallLinear(x, weight, bias, true);
    }
    return WideProduct.covers(x, weight, bias, false)
        ? WideProduct.of(x, weight, bias, false)
        : linear(x, weight.t(), bias);
  }

  /**
   * {@code a b^T} of int8 matrices, exact in int32. A card wants more than 16 rows of {@code a},
   * and sizes of {@code b} that are multiples of 8.
   *
   * @param a (n, d)
   * @param b (o, d)
   * @return int32 (n, o)
   */
  public static Tensor int8Product(Tensor a, Tensor b) {
    return Natives.op(() -> BoxedOps.call("aten::_int_mm", a.handle(), b.handle().t()));
  }

  /**
   * {@code out = beta * out + alpha * a b}, all matrices; beta 0 ignores what was in {@code out}.
   */
  public static void addmmInto(Tensor out, Tensor a, Tensor b, double beta, double alpha) {
    if (out.rank() != 2 || out.size(0) != a.size(0) || out.size(1) != b.size(-1)) {
      // libtorch would give out another size.
      throw new TorchException.ShapeMismatch(
          "The product of " + a.shape() + " and " + b.shape() + " does not fit into " + out + ".");
    }
    Natives.call(
        () ->
            torch.addmm_out(
                out.handle(),
                out.handle(),
                a.handle(),
                b.handle(),
                Natives.scalar(beta),
                Natives.scalar(alpha)));
  }

  /** A few rows without gradients: decoding, where reading the weight is all the work. */
  private static boolean isSmall(
      Tensor x, Tensor weight, @Nullable Tensor bias, boolean transposed) {
    return !GradMode.isEnabled()
        && x.numel() > 0
        && x.numel() <= SmallProductKernel.MAX_ROWS * x.size(-1)
        && x.dtype() == weight.dtype()
        && weight.rank() == 2
        && weight.size(transposed ? 0 : 1) == x.size(-1)
        && FastPath.covers(x, weight)
        && (bias == null
            || (FastPath.covers(bias)
                && bias.dtype() == x.dtype()
                && bias.rank() == 1
                && bias.numel() == weight.size(transposed ? 1 : 0)))
        && !WideProduct.covers(x, weight, bias, !transposed);
  }

  private static Tensor smallLinear(
      Tensor x, Tensor weight, @Nullable Tensor bias, boolean transposed) {
    long in = weight.size(transposed ? 0 : 1);
    long out = weight.size(transposed ? 1 : 0);
    Tensor y = Creation.empty(x.dtype(), Device.CPU, withLast(x, out));
    SmallProductKernel.product(
        FastPath.type(x),
        x.address(),
        in,
        weight.address(),
        transposed ? out : in,
        transposed,
        bias == null ? 0 : bias.address(),
        y.address(),
        out,
        (int) (x.numel() / in),
        out,
        in,
        FastPath.threads());
    return y;
  }

  /**
   * On CPUs without bfloat16 instructions libtorch's bfloat16 product runs at a fraction of the
   * float32 rate, so weights are widened block by block into kept memory and multiplied in float32:
   * the same products and sums, rounded once at the end.
   */
  private static boolean needsWidening(Tensor x, Tensor weight, @Nullable Tensor bias) {
    return x.dtype() == DType.BFLOAT16
        && widens(weight)
        && !weight.requiresGrad()
        && (bias == null || !bias.requiresGrad());
  }

  /** Whether products with this weight are computed in float32 from a widened copy. */
  static boolean widens(Tensor weight) {
    return weight.dtype() == DType.BFLOAT16
        && weight.isOnCpu()
        && !NativeRuntime.hasBfloat16Products();
  }

  private static Tensor widenedLinear(Tensor x, Tensor weight, @Nullable Tensor bias) {
    Tensor value;
    try (TensorScope scope = TensorScope.open("bf16 linear");
        GradMode off = GradMode.noGrad()) {
      Tensor y = widenedProduct(rows(x.detach()), weight.detach(), true);
      if (bias != null) {
        y.addInPlace(bias.detach());
      }
      Tensor rounded = y.to(DType.BFLOAT16).reshape(withLast(x, weight.size(0)));
      value = scope.keep(rounded.detach()); // no view, which could not get a gradient node
    }
    return CustomGradient.of(
        value,
        List.of(x),
        List.of(weight),
        (gradient, saved) -> Arrays.asList(inputGradient(gradient, saved.get(0))));
  }

  /**
   * The gradient of {@link #linear} for x, outside the graph: {@code gradient W}.
   *
   * @param gradient of the result, (..., o)
   * @param weight (o, d), of the gradient's type
   * @return (..., d)
   */
  public static Tensor inputGradient(Tensor gradient, Tensor weight) {
    if (WideProduct.covers(gradient, weight, null, false)) {
      return WideProduct.product(gradient, weight, null, false);
    }
    try (TensorScope scope = TensorScope.open("input gradient");
        GradMode off = GradMode.noGrad()) {
      Tensor result =
          gradient.dtype() == DType.BFLOAT16 && widens(weight)
              ? widenedProduct(rows(gradient), weight, false).to(DType.BFLOAT16)
              : gradient.reshape(-1, gradient.size(-1)).matmul(weight);
      return scope.keep(result.reshape(withLast(gradient, weight.size(1))));
    }
  }

  private static Tensor rows(Tensor x) {
    return x.to(DType.FLOAT32).reshape(-1, x.size(-1));
  }

  private static Tensor widenedProduct(Tensor a, Tensor weight, boolean transposed) {
    long columns = weight.size(transposed ? 0 : 1);
    Tensor result = Creation.empty(DType.FLOAT32, Device.CPU, a.size(0), columns);
    widenedProductInto(result, a, weight, transposed);
    return result;
  }

  /**
   * Writes {@code a W^T} (transposed) or {@code a W} in float32, for a W whose rows are widened
   * block by block.
   */
  static void widenedProductInto(Tensor out, Tensor a, Tensor weight, boolean transposed) {
    long rows = weight.size(0);
    long columns = weight.size(1);
    long block = Math.min(rows, Math.max(16, WIDENED_ELEMENTS / Math.max(1, columns)));
    Tensor scratch = Scratch.floats(Scratch.Purpose.WIDENED_WEIGHT, block * columns);
    for (long start = 0; start < rows; start += block) {
      try (TensorScope scope = TensorScope.open("block")) {
        long length = Math.min(block, rows - start);
        Tensor wide = scratch.narrow(0, 0, length * columns).reshape(length, columns);
        wide.copyInPlace(weight.narrow(0, start, length));
        if (transposed) {
          addmmInto(out.narrow(1, start, length), a, wide.t(), 0, 1);
        } else {
          addmmInto(out, a.narrow(1, start, length), wide, start == 0 ? 0 : 1, 1);
        }
      }
    }
  }

  private static long[] withLast(Tensor like, long last) {
    long[] sizes = like.shape().toArray();
    sizes[sizes.length - 1] = last;
    return sizes;
  }
}
