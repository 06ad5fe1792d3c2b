package org.peftjava.quant.bnb;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/**
 * The arithmetic of LLM.int8() on libtorch's operators, for any device, or in native kernels.
 *
 * <p>{@code code = round(v * 127 / absmax)} with {@code absmax = max |v|} of the row and v rounded
 * to float16, halves to even; {@code v' = code * absmax / 127}. Products are sums of integers,
 * exact however long the rows are. Reference: {@code bitsandbytes.functional.int8_vectorwise_quant,
 * int8_vectorwise_dequant, int8_mixed_scaled_mm}.
 */
final class RowwiseInt8 {
  /** Elements of a weight that are handled at a time. */
  private static final long BAND = 1 << 18;

  /** Products of two codes whose sum float32 holds exactly, in whatever order: 2^24 / 127^2. */
  private static final int EXACT_TERMS = 1024;

  /** {@code 1 / 127}, as bitsandbytes writes it. */
  private static final double INVERSE = 7.874015718698502e-3;

  /** {@code 1 / 127^2}. The CPU build of bitsandbytes has 6.200124e-05, 2e-5 too much. */
  private static final double INVERSE_SQUARED = 1.0 / (127 * 127);

  /** Added and taken away again, this rounds a float32 below 2^22 to a whole number. */
  private static final double ROUNDER = 12582912;

  /**
   * Codes and scales of a matrix.
   *
   * @param codes int8 (n, d)
   * @param absmax float32 (n)
   */
  record Rows(Tensor codes, Tensor absmax) {}

  private RowwiseInt8() {}

  /** Quantizes a dense (o, d) matrix, band by band. */
  static Rows quantizeWeight(Tensor dense, DType rounded) {
    try (TensorScope scope = TensorScope.open("quantize");
        GradMode off = GradMode.noGrad()) {
      Rows rows =
          CudaInt8.quantizeWeight(dense, rounded).orElseGet(() -> portableRows(dense, rounded));
      if (!rows.absmax().isFinite()) {
        throw new IllegalArgumentException(
            "A weight of shape "
                + dense.shape()
                + " holds NaN or infinite values, which have no code. Expected finite values; was"
                + " the weight, or the adapter merged into it, trained to divergence?");
      }
      return new Rows(scope.keep(rows.codes()), scope.keep(rows.absmax()));
    }
  }

  /** {@link #quantizeWeight} on libtorch's operators. */
  private static Rows portableRows(Tensor dense, DType rounded) {
    Tensor codes = Creation.empty(DType.INT8, dense.device(), dense.shape().toArray());
    Tensor absmax = Creation.empty(DType.FLOAT32, dense.device(), dense.size(0));
    eachBand(
        dense.size(0),
        dense.size(1),
        (start, length) -> {
          Tensor wide = half(dense.detach().narrow(0, start, length).to(rounded));
          Tensor largest = wide.abs().amax(1);
          absmax.narrow(0, start, length).copyInPlace(largest);
          codes.narrow(0, start, length).copyInPlace(codes(wide, largest));
        });
    return new Rows(codes, absmax);
  }

  /** Writes {@code CB * SCB / 127} into a gapless (o, d) tensor of a floating-point type. */
  static void dequantizeInto(Tensor out, Tensor codes, Tensor absmax) {
    if (CudaInt8.dequantizeInto(out, codes, absmax)
        || NativeInt8.dequantizeInto(out, codes, absmax)) {
      return;
    }
    try (GradMode off = GradMode.noGrad()) {
      eachBand(
          codes.size(0),
          codes.size(1),
          (start, length) -> {
            Tensor scale = absmax.narrow(0, start, length).unsqueeze(1);
            Tensor band = codes.narrow(0, start, length).to(DType.FLOAT32).mulInPlace(scale);
            out.narrow(0, start, length).copyInPlace(band.mulInPlace(INVERSE));
          });
    }
  }

  /**
   * {@code x W^T + bias} with quantized rows of x, except for columns that hold an outlier.
   *
   * @param x (..., d), at least one row
   * @param threshold a value at least this large is an outlier; 0 for none
   * @return (..., o) of x's type
   */
  static Tensor product(
      Tensor x, Tensor codes, Tensor absmax, @Nullable Tensor bias, double threshold) {
    try (TensorScope scope = TensorScope.open("int8 product");
        GradMode off = GradMode.noGrad()) {
      Tensor gapless = x.contiguous();
      Optional<Tensor> onCard = CudaInt8.product(gapless, codes, absmax, bias, threshold);
      if (onCard.isPresent()) {
        return scope.keep(onCard.get());
      }
      Tensor rows = gapless.detach().reshape(-1, x.size(-1));
      Tensor y =
          NativeInt8.product(rows, codes, absmax, bias, threshold)
              .orElseGet(() -> portableProduct(rows, codes, absmax, bias, threshold));
      return scope.keep(y.reshape(NativeMemory.withLast(x, codes.size(0))));
    }
  }

  /** {@link #product} for x (n, d), on libtorch's operators. */
  static Tensor portableProduct(
      Tensor x, Tensor codes, Tensor absmax, @Nullable Tensor bias, double threshold) {
    Tensor wide = half(x);
    List<Long> outliers = new ArrayList<>();
    if (threshold > 0) {
      Tensor small = wide.abs().lt(threshold);
      outliers.addAll(columnsWithout(small));
      wide = outliers.isEmpty() ? wide : wide.maskedFill(small.not(), 0);
    }
    Tensor scale = wide.abs().amax(1);
    Tensor quantized = codes(wide, scale);
    if (!outliers.isEmpty()) {
      quantized.indexFillInPlace(1, index(outliers, x), 0);
    }
    Tensor y = integerProduct(quantized, codes).to(DType.FLOAT32);
    y.mulInPlace(scale.unsqueeze(1).mul(absmax.unsqueeze(0))).mulInPlace(INVERSE_SQUARED);
    if (bias != null) {
      y.addInPlace(bias.detach());
    }
    if (!outliers.isEmpty()) {
      addOutliers(y, x, codes, absmax, outliers);
    }
    return y.to(x.dtype());
  }

  /** Adds the product of some columns to the float32 matrix y, with x as it is. */
  static void addOutliers(Tensor y, Tensor x, Tensor codes, Tensor absmax, List<Long> outliers) {
    Tensor columns = index(outliers, x);
    Tensor weight = codes.indexSelect(1, columns).to(DType.FLOAT32);
    weight.mulInPlace(absmax.unsqueeze(1)).mulInPlace(INVERSE);
    y.addInPlace(x.indexSelect(1, columns).to(DType.FLOAT32).matmul(weight.t()));
  }

  /** Float32 values as float16 holds them; values beyond its range stay what they are. */
  private static Tensor half(Tensor values) {
    Tensor rounded = values.to(DType.FLOAT16).to(DType.FLOAT32);
    return rounded.isFinite() ? rounded : values.to(DType.FLOAT32);
  }

  private static Tensor codes(Tensor values, Tensor absmax) {
    Tensor inverse = Creation.ones(DType.FLOAT32).div(absmax).mul(127);
    Tensor scale = inverse.maskedFill(absmax.eq(0), 0);
    Tensor scaled = values.mul(scale.unsqueeze(1));
    return scaled.addInPlace(ROUNDER).addInPlace(-ROUNDER).to(DType.INT8);
  }

  /** {@code a b^T} of int8 matrices, exact, as int32. */
  private static Tensor integerProduct(Tensor a, Tensor b) {
    Tensor sum = Creation.zeros(DType.INT32, a.device(), a.size(0), b.size(0));
    for (long start = 0; start < a.size(1); start += EXACT_TERMS) {
      try (TensorScope scope = TensorScope.open("terms")) {
        long length = Math.min(EXACT_TERMS, a.size(1) - start);
        Tensor left = a.narrow(1, start, length).to(DType.FLOAT32);
        Tensor right = b.narrow(1, start, length).to(DType.FLOAT32);
        sum.addInPlace(left.matmul(right.t()).to(DType.INT32));
      }
    }
    return sum;
  }

  private static List<Long> columnsWithout(Tensor mask) {
    float[] smallest = mask.to(DType.FLOAT32).neg().amax(0).toFloats();
    List<Long> result = new ArrayList<>();
    for (int column = 0; column < smallest.length; column++) {
      if (smallest[column] != -1) {
        result.add((long) column);
      }
    }
    return result;
  }

  private static Tensor index(List<Long> columns, Tensor like) {
    long[] values = columns.stream().mapToLong(Long::longValue).toArray();
    return Creation.ofLongs(values, values.length).to(like.device());
  }

  private interface Band {
    void visit(long start, long length);
  }

  private static void eachBand(long rows, long columns, Band band) {
    long step = Math.max(1, BAND / columns);
    for (long start = 0; start < rows; start += step) {
      try (TensorScope scope = TensorScope.open("band")) {
        band.visit(start, Math.min(step, rows - start));
      }
    }
  }
}
