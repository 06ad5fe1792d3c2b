package org.peftjava.torch;

import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.runtime.NativeRuntime;

/**
 * Matrix products.
 *
 * <p>Letters in the shapes: {@code d} input features, {@code o} output features, {@code r} rank,
 * {@code ...} any leading sizes.
 */
public final class MatrixOps {
  /**
   * Rows of a bfloat16 weight that are widened at a time: small enough to stay in the second-level
   * cache.
   */
  private static final long WIDENED_ELEMENTS = 1 << 19;

  private MatrixOps() {}

  /**
   * {@code x W^T + bias}.
   *
   * @param x (..., d)
   * @param weight (o, d), of x's type
   * @param bias (o), or null
   * @return (..., o)
   */
  public static Tensor linear(Tensor x, Tensor weight, @Nullable Tensor bias) {
    if (needsWidening(x, weight, bias)) {
      return widenedLinear(x, weight, bias);
    }
    return Natives.op(() -> torch.linear(x.handle(), weight.handle(), Natives.optional(bias)));
  }

  /**
   * Writes {@code a b} into {@code out}, or adds it with {@code out = beta * out + alpha * a b}.
   * All are matrices.
   */
  public static void addmmInto(Tensor out, Tensor a, Tensor b, double beta, double alpha) {
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

  /**
   * On CPUs without bfloat16 instructions libtorch's bfloat16 product runs at a quarter of the
   * float32 rate, so weights are widened block by block into kept memory and multiplied in float32:
   * the same products and sums, rounded once at the end.
   */
  private static boolean needsWidening(Tensor x, Tensor weight, @Nullable Tensor bias) {
    return x.dtype() == DType.BFLOAT16
        && weight.dtype() == DType.BFLOAT16
        && !NativeRuntime.hasBfloat16Products()
        && x.handle().is_cpu()
        && !weight.requiresGrad()
        && (bias == null || !bias.requiresGrad());
  }

  private static Tensor widenedLinear(Tensor x, Tensor weight, @Nullable Tensor bias) {
    Tensor value;
    try (TensorScope scope = TensorScope.open("bf16 linear");
        GradMode off = GradMode.noGrad()) {
      Tensor wide = x.detach().to(DType.FLOAT32).reshape(-1, x.size(-1));
      Tensor y = widenedProduct(wide, weight, true);
      if (bias != null) {
        y.addInPlace(bias.detach());
      }
      value = scope.keep(y.to(DType.BFLOAT16).reshape(withLast(x, weight.size(0))));
    }
    return CustomGradient.of(
        value,
        List.of(x),
        List.of(weight),
        (gradient, saved) -> {
          Tensor w = saved.get(0);
          Tensor wide = gradient.to(DType.FLOAT32).reshape(-1, w.size(0));
          Tensor gx = widenedProduct(wide, w, false).to(DType.BFLOAT16);
          return Arrays.asList(gx.reshape(withLast(gradient, w.size(1))));
        });
  }

  /**
   * {@code a W^T} (transposed) or {@code a W} in float32, for a bfloat16 W that is widened block by
   * block.
   */
  static Tensor widenedProduct(Tensor a, Tensor weight, boolean transposed) {
    long rows = weight.size(0);
    long columns = weight.size(1);
    long block = Math.max(16, WIDENED_ELEMENTS / columns);
    Tensor result =
        Creation.empty(DType.FLOAT32, Device.CPU, a.size(0), transposed ? rows : columns);
    Tensor scratch =
        Scratch.floats(Scratch.Purpose.WIDENED_WEIGHT, Math.min(block, rows) * columns);
    for (long start = 0; start < rows; start += block) {
      try (TensorScope scope = TensorScope.open("block")) {
        long length = Math.min(block, rows - start);
        Tensor wide = scratch.narrow(0, 0, length * columns).reshape(length, columns);
        wide.copyInPlace(weight.narrow(0, start, length));
        if (transposed) {
          addmmInto(result.narrow(1, start, length), a, wide.t(), 0, 1);
        } else {
          addmmInto(result, a.narrow(1, start, length), wide, start == 0 ? 0 : 1, 1);
        }
      }
    }
    return result;
  }

  static long[] withLast(Tensor like, long last) {
    long[] sizes = like.shape().toArray();
    sizes[sizes.length - 1] = last;
    return sizes;
  }
}
