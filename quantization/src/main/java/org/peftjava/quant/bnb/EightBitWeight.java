package org.peftjava.quant.bnb;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.quant.DenseMatrix;
import org.peftjava.quant.QuantizedWeight;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Scratch;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;

/**
 * A weight of LLM.int8(): an int8 code per element and a float32 scale per row, {@code W = CB * SCB
 * / 127}.
 *
 * <p>Its tensors have the names, types and shapes that bitsandbytes saves: {@code weight} int8 (o,
 * d), {@code SCB} float32 (o), {@code weight_format} uint8 () = 0.
 *
 * <p>Paper: arXiv:2208.07339. Reference: {@code bitsandbytes.nn.Int8Params}; the arithmetic is in
 * {@link RowwiseInt8}. Golden data: {@code int8.safetensors}.
 */
public final class EightBitWeight implements QuantizedWeight {
  private static final String SCB = "SCB";
  private static final String FORMAT = "weight_format";

  private final Shape shape;
  private final DType dtype;
  private final double threshold;
  private final Parameter codes;
  private final Parameter scales;
  private final Parameter format;

  private EightBitWeight(
      DType dtype, double threshold, Parameter codes, Parameter scales, Parameter format) {
    shape = codes.shape();
    this.dtype = dtype;
    this.threshold = threshold;
    this.codes = codes.encodes(codes.numel());
    this.scales = scales;
    this.format = format;
  }

  /**
   * Quantizes a dense matrix, whose memory is not touched.
   *
   * @param dense (o, d) of a floating-point type
   * @param rounded the type that its values are rounded to first, and that the weight stands for
   * @param threshold inputs at least this large are outliers; 0 for none
   */
  public static EightBitWeight quantize(Tensor dense, DType rounded, double threshold) {
    DenseMatrix.check(dense);
    try (TensorScope scope = TensorScope.open("quantize weight");
        GradMode off = GradMode.noGrad()) {
      RowwiseInt8.Rows rows = RowwiseInt8.quantizeWeight(dense, rounded);
      Tensor zero = Creation.zeros(DType.UINT8, dense.device());
      return new EightBitWeight(
          rounded,
          threshold,
          PackedParameter.of(rows.codes()),
          PackedParameter.of(rows.absmax()),
          PackedParameter.of(zero));
    }
  }

  /** A weight (o, d) that waits for its tensors from a checkpoint. */
  public static EightBitWeight unloaded(Shape shape, DType dtype, double threshold) {
    return new EightBitWeight(
        dtype,
        threshold,
        PackedParameter.unloaded(DType.INT8, shape),
        PackedParameter.unloaded(DType.FLOAT32, Shape.of(shape.get(0))),
        PackedParameter.unloaded(DType.UINT8, Shape.of()));
  }

  /** Inputs at least this large are outliers; 0 for none. */
  public double threshold() {
    return threshold;
  }

  @Override
  public Shape shape() {
    return shape;
  }

  @Override
  public DType dtype() {
    return dtype;
  }

  @Override
  public Tensor dequantize(DType type) {
    Tensor result = Creation.empty(type, device(), shape.toArray());
    RowwiseInt8.dequantizeInto(result, codes.tensor(), scales.tensor());
    return result;
  }

  @Override
  public Tensor product(Tensor x, @Nullable Tensor bias, boolean training) {
    DenseMatrix.checkOperand(this, x, shape().get(1));
    DenseMatrix.checkBias(this, bias);
    try (TensorScope scope = TensorScope.open("int8 product")) {
      boolean dense = (training && !device().isCuda()) || x.numel() == 0;
      return scope.keep(
          dense
              ? denseProduct(x, bias)
              : RowwiseInt8.product(x, codes.tensor(), scales.tensor(), bias, threshold));
    }
  }

  @Override
  public Tensor inputGradient(Tensor gradient) {
    DenseMatrix.checkOperand(this, gradient, shape().get(0));
    try (TensorScope scope = TensorScope.open("int8 backward")) {
      return scope.keep(
          NativeInt8.denseProduct(gradient, codes.tensor(), scales.tensor(), null, true)
              .orElseGet(() -> MatrixOps.inputGradient(gradient, dense(gradient.dtype()))));
    }
  }

  private Tensor denseProduct(Tensor x, @Nullable Tensor bias) {
    return NativeInt8.denseProduct(x, codes.tensor(), scales.tensor(), bias, false)
        .orElseGet(() -> MatrixOps.linear(x, dense(x.dtype()), bias));
  }

  /** The dense matrix in kept memory, for one product. */
  private Tensor dense(DType type) {
    Tensor result = Scratch.denseWeight(type, device(), shape);
    RowwiseInt8.dequantizeInto(result, codes.tensor(), scales.tensor());
    return result;
  }

  private Device device() {
    return codes.tensor().device();
  }

  @Override
  public void requantize(Tensor dense) {
    DenseMatrix.checkFits(this, dense);
    DenseMatrix.check(dense);
    try (TensorScope scope = TensorScope.open("requantize weight");
        GradMode off = GradMode.noGrad()) {
      RowwiseInt8.Rows rows = RowwiseInt8.quantizeWeight(dense.to(device()), dense.dtype());
      codes.adopt(rows.codes());
      scales.adopt(rows.absmax());
    }
  }

  @Override
  public void checkLoaded(String path) {
    long layout = format.tensor().toLong();
    if (layout != 0) {
      throw new IllegalArgumentException(
          path
              + "."
              + FORMAT
              + " is "
              + layout
              + ", a layout of old CUDA kernels (1 col32, 2 col_turing, 3 col_ampere). Expected 0,"
              + " rows. Load the model with an old bitsandbytes and save it again.");
    }
    LoadedScales.check(path + "." + SCB, scales.tensor());
  }

  @Override
  public Map<String, Parameter> state() {
    Map<String, Parameter> result = new LinkedHashMap<>();
    result.put(WEIGHT, codes);
    result.put(SCB, scales);
    result.put(FORMAT, format);
    return result;
  }
}
