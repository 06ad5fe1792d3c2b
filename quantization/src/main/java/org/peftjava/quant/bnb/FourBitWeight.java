package org.peftjava.quant.bnb;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;
import org.peftjava.quant.QuantizedWeight;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;

/**
 * A weight in NF4 or FP4: two codes in a byte and one float32 scale per block, 0.5625 bytes per
 * element with blocks of 64. With double quantization the scales, less their mean, are 8-bit codes
 * themselves: 0.516 bytes.
 *
 * <p>Its tensors have the names, types and shapes that bitsandbytes saves, {@code n} elements in
 * {@code k} blocks:
 *
 * <ul>
 *   <li>{@code weight}: uint8 ((n + 1) / 2, 1)
 *   <li>{@code weight.absmax}: float32 (k), or uint8 (k) when quantized
 *   <li>{@code weight.quant_map}: float32 (16)
 *   <li>{@code weight.nested_absmax}: float32 (k / 256, rounded up), {@code
 *       weight.nested_quant_map}: float32 (256), when quantized
 *   <li>{@code weight.quant_state.bitsandbytes__nf4} or {@code __fp4}: the {@link QuantState}
 * </ul>
 *
 * <p>Paper: arXiv:2305.14314. Reference: {@code bitsandbytes.nn.Params4bit} and {@code
 * functional.quantize_4bit}; golden data: {@code q4.safetensors}.
 */
public final class FourBitWeight implements QuantizedWeight {
  private static final BlockwiseQuantizer SCALE_CODEC =
      new BlockwiseQuantizer(CodeBook.DYNAMIC, QuantState.NESTED_BLOCK_SIZE);

  private final BlockwiseQuantizer codec;
  private final Parameter packed;
  private final Parameter absmax;
  private final Parameter quantMap;
  private final @Nullable Parameter nestedAbsmax;
  private final @Nullable Parameter nestedQuantMap;
  private Parameter stateJson;
  private QuantState quantState;

  /** The tensors of a weight; owned by the current scope until a parameter takes them over. */
  private record Parts(
      Tensor packed, Tensor absmax, @Nullable Tensor nestedAbsmax, QuantState state) {}

  private FourBitWeight(BlockwiseQuantizer codec, Parts parts) {
    this.codec = codec;
    packed = owned(parts.packed);
    absmax = owned(parts.absmax);
    quantMap = owned(parts.state.type().codeBook().values().to(packed.tensor().device()));
    Tensor nested = parts.nestedAbsmax;
    nestedAbsmax = nested == null ? null : owned(nested);
    nestedQuantMap = nested == null ? null : owned(CodeBook.DYNAMIC.values().to(nested.device()));
    quantState = parts.state;
    stateJson = json(parts.state);
  }

  /**
   * Quantizes a dense matrix, whose memory is not touched.
   *
   * @param dense (o, d) of a floating-point type
   * @param blockSize one of {@link BlockwiseQuantizer#BLOCK_SIZES}; 64 in transformers
   * @param doubleQuant whether the scales are quantized too
   */
  public static FourBitWeight quantize(
      Tensor dense, QuantType type, int blockSize, boolean doubleQuant) {
    if (dense.rank() != 2 || dense.numel() == 0) {
      throw new IllegalArgumentException(
          "A weight to quantize has shape "
              + dense.shape()
              + ". Expected a matrix [out_features, in_features] with at least one element.");
    }
    BlockwiseQuantizer codec = new BlockwiseQuantizer(type.codeBook(), blockSize);
    OptionalDouble offset = doubleQuant ? OptionalDouble.of(0) : OptionalDouble.empty();
    QuantState form = new QuantState(type, blockSize, dense.dtype(), dense.shape(), offset);
    try (TensorScope scope = TensorScope.open("quantize weight");
        GradMode off = GradMode.noGrad()) {
      return new FourBitWeight(codec, parts(dense, codec, form));
    }
  }

  private static Parts parts(Tensor dense, BlockwiseQuantizer codec, QuantState form) {
    BlockwiseQuantizer.Blocks blocks = codec.quantize(dense);
    Tensor packed = blocks.codes().reshape(-1, 1);
    if (form.nestedOffset().isEmpty()) {
      return new Parts(packed, blocks.absmax(), null, form);
    }
    double offset = blocks.absmax().mean().toDouble();
    BlockwiseQuantizer.Blocks scales = SCALE_CODEC.quantize(blocks.absmax().add(-offset));
    QuantState state =
        new QuantState(
            form.type(), form.blockSize(), form.dtype(), form.shape(), OptionalDouble.of(offset));
    return new Parts(packed, scales.codes(), scales.absmax(), state);
  }

  /** The format, and the offset of the scales. */
  public QuantState quantState() {
    return quantState;
  }

  @Override
  public Shape shape() {
    return quantState.shape();
  }

  @Override
  public DType dtype() {
    return quantState.dtype();
  }

  @Override
  public Tensor dequantize(DType type) {
    try (TensorScope scope = TensorScope.open("dequantize weight");
        GradMode off = GradMode.noGrad()) {
      Tensor flat =
          codec.dequantize(packed.tensor(), scales(), quantMap.tensor(), shape().numel(), type);
      return scope.keep(flat.reshape(shape().toArray()));
    }
  }

  private Tensor scales() {
    if (nestedAbsmax == null || nestedQuantMap == null) {
      return absmax.tensor();
    }
    return SCALE_CODEC
        .dequantize(
            absmax.tensor(),
            nestedAbsmax.tensor(),
            nestedQuantMap.tensor(),
            absmax.numel(),
            DType.FLOAT32)
        .addInPlace(quantState.nestedOffset().orElse(0));
  }

  @Override
  public void requantize(Tensor dense) {
    if (!dense.shape().equals(shape())) {
      throw new IllegalArgumentException(
          "A quantized weight of shape "
              + shape()
              + " cannot take values of shape "
              + dense.shape()
              + ".");
    }
    try (TensorScope scope = TensorScope.open("requantize weight");
        GradMode off = GradMode.noGrad()) {
      Parts parts = parts(dense.to(packed.tensor().device()), codec, quantState);
      packed.adopt(parts.packed);
      absmax.adopt(parts.absmax);
      if (nestedAbsmax != null && parts.nestedAbsmax != null) {
        nestedAbsmax.adopt(parts.nestedAbsmax);
      }
      if (!parts.state.equals(quantState)) {
        stateJson.close();
        stateJson = json(parts.state);
        quantState = parts.state;
      }
    }
  }

  @Override
  public Map<String, Parameter> state() {
    Map<String, Parameter> result = new LinkedHashMap<>();
    result.put("weight", packed);
    result.put("weight.absmax", absmax);
    result.put("weight.quant_map", quantMap);
    if (nestedAbsmax != null && nestedQuantMap != null) {
      result.put("weight.nested_absmax", nestedAbsmax);
      result.put("weight.nested_quant_map", nestedQuantMap);
    }
    result.put("weight." + quantState.tensorName(), stateJson);
    return result;
  }

  /** The JSON stays on the CPU until its module is moved. */
  private static Parameter json(QuantState state) {
    byte[] bytes = state.json();
    return owned(Creation.ofBytes(bytes, bytes.length));
  }

  private static Parameter owned(Tensor values) {
    Parameter parameter = new Parameter(values.shape(), values.dtype(), Init.zeros()).fixDtype();
    parameter.requiresGrad(false);
    parameter.adopt(values);
    return parameter;
  }
}
