package org.peftjava.quant.bnb;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
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
 * A weight in NF4 or FP4: two codes in a byte and one float32 scale per block, 0.5625 bytes per
 * element with blocks of 64. With double quantization the scales, less their mean, are 8-bit codes
 * themselves: 0.516 bytes.
 *
 * <p>Its tensors have the names, types and shapes that bitsandbytes saves, {@code n} elements in
 * {@code k} blocks:
 *
 * <ul>
 *   <li>{@code weight}: uint8 ((n + 1) / 2, 1), or the same bytes as another type
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

  private FourBitWeight(QuantState state, Parts parts) {
    quantState = state;
    codec = new BlockwiseQuantizer(state.type().codeBook(), state.blockSize());
    packed = PackedParameter.of(parts.packed).encodes(shape().numel());
    absmax = PackedParameter.of(parts.absmax);
    Device device = packed.tensor().device();
    quantMap = PackedParameter.of(state.type().codeBook().values().to(device));
    Tensor nested = parts.nestedAbsmax;
    nestedAbsmax = nested == null ? null : PackedParameter.of(nested);
    nestedQuantMap =
        nested == null ? null : PackedParameter.of(CodeBook.DYNAMIC.values().to(device));
    stateJson = json(state.json());
  }

  private FourBitWeight(QuantState state, DType storage, byte[] json) {
    quantState = state;
    codec = new BlockwiseQuantizer(state.type().codeBook(), state.blockSize());
    long blocks = codec.blocksOf(shape().numel());
    packed = PackedParameter.unloaded(storage, FourBitFormat.packedShape(shape(), storage));
    packed.encodes(shape().numel());
    boolean nested = state.nestedOffset().isPresent();
    absmax = PackedParameter.unloaded(nested ? DType.UINT8 : DType.FLOAT32, Shape.of(blocks));
    quantMap = PackedParameter.unloaded(DType.FLOAT32, Shape.of(16));
    long scales = SCALE_CODEC.blocksOf(blocks);
    nestedAbsmax = nested ? PackedParameter.unloaded(DType.FLOAT32, Shape.of(scales)) : null;
    nestedQuantMap = nested ? PackedParameter.unloaded(DType.FLOAT32, Shape.of(256)) : null;
    stateJson = json(json);
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
    return quantize(dense, dense.dtype(), new FourBitFormat(type, blockSize, doubleQuant));
  }

  /**
   * Quantizes a dense matrix, whose memory is not touched.
   *
   * @param dense (o, d) of a floating-point type
   * @param rounded the type that its values are rounded to first, and that the weight stands for
   */
  public static FourBitWeight quantize(Tensor dense, DType rounded, FourBitFormat format) {
    DenseMatrix.check(dense);
    Shape packedShape = FourBitFormat.packedShape(dense.shape(), format.storage());
    BlockwiseQuantizer codec = new BlockwiseQuantizer(format.type().codeBook(), format.blockSize());
    OptionalDouble offset = format.doubleQuant() ? OptionalDouble.of(0) : OptionalDouble.empty();
    QuantState form =
        new QuantState(format.type(), format.blockSize(), rounded, dense.shape(), offset);
    try (TensorScope scope = TensorScope.open("quantize weight");
        GradMode off = GradMode.noGrad()) {
      Parts parts = parts(dense, codec, form, packedShape, format.storage());
      return new FourBitWeight(parts.state, parts);
    }
  }

  /**
   * A weight that waits for its tensors from a checkpoint.
   *
   * @param json the checkpoint's bytes of the {@link QuantState}
   * @param storage the type of the tensor that holds the codes
   * @param name of the weight, for messages
   * @throws IllegalArgumentException if the JSON is none that bitsandbytes writes
   */
  public static FourBitWeight unloaded(byte[] json, DType storage, String name) {
    return new FourBitWeight(QuantState.parse(json, name), storage, json);
  }

  private static Parts parts(
      Tensor dense, BlockwiseQuantizer codec, QuantState form, Shape packedShape, DType storage) {
    BlockwiseQuantizer.Blocks blocks = codec.quantize(dense, form.dtype());
    Tensor packed = blocks.codes().viewAs(storage).reshape(packedShape.toArray());
    if (form.nestedOffset().isEmpty()) {
      return new Parts(packed, blocks.absmax(), null, form);
    }
    double offset = blocks.absmax().mean().toDouble();
    BlockwiseQuantizer.Blocks scales = SCALE_CODEC.quantize(blocks.absmax().add(-offset));
    return new Parts(packed, scales.codes(), scales.absmax(), form.withNestedOffset(offset));
  }

  /** The format, and the offset of the scales. */
  public QuantState quantState() {
    return quantState;
  }

  /** The type of the tensor that holds the codes. */
  public DType quantStorage() {
    return packed.dtype();
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
    Tensor result = Creation.empty(type, device(), shape().toArray());
    dequantizeInto(result);
    return result;
  }

  private void dequantizeInto(Tensor out) {
    try (TensorScope scope = TensorScope.open("dequantize weight");
        GradMode off = GradMode.noGrad()) {
      if (kernels().filter(k -> k.dequantizeInto(out)).isEmpty()) {
        codec.dequantizeInto(out, packed.tensor().viewAs(DType.UINT8), scales(), quantMap.tensor());
      }
    }
  }

  @Override
  public Tensor product(Tensor x, @Nullable Tensor bias, boolean training) {
    DenseMatrix.checkOperand(this, x, shape().get(1));
    DenseMatrix.checkBias(this, bias);
    try (TensorScope scope = TensorScope.open("4-bit product");
        GradMode off = GradMode.noGrad()) {
      return scope.keep(
          kernels()
              .flatMap(k -> k.product(x, bias))
              .orElseGet(() -> MatrixOps.linear(x, dense(x.dtype()), bias)));
    }
  }

  /** By the weight as its {@link #dtype} holds it, as bitsandbytes has it. */
  @Override
  public Tensor inputGradient(Tensor gradient) {
    DenseMatrix.checkOperand(this, gradient, shape().get(0));
    try (TensorScope scope = TensorScope.open("4-bit backward");
        GradMode off = GradMode.noGrad()) {
      return scope.keep(
          kernels()
              .flatMap(k -> k.inputGradient(gradient, dtype()))
              .orElseGet(
                  () -> MatrixOps.inputGradient(gradient, dense(dtype()).to(gradient.dtype()))));
    }
  }

  /** The dense matrix in kept memory, for one product. */
  private Tensor dense(DType type) {
    Tensor result = Scratch.denseWeight(type, device(), shape());
    dequantizeInto(result);
    return result;
  }

  private Optional<? extends FourBitBackEnd> kernels() {
    return FourBitBackEnd.of(quantState, state());
  }

  private Device device() {
    return packed.tensor().device();
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
    DenseMatrix.checkFits(this, dense);
    DenseMatrix.check(dense);
    try (TensorScope scope = TensorScope.open("requantize weight");
        GradMode off = GradMode.noGrad()) {
      QuantState form = quantState.withDtype(dense.dtype());
      Parts parts = parts(dense.to(device()), codec, form, packed.shape(), packed.dtype());
      packed.adopt(parts.packed);
      absmax.adopt(parts.absmax);
      if (nestedAbsmax != null && parts.nestedAbsmax != null) {
        nestedAbsmax.adopt(parts.nestedAbsmax);
      }
      QuantState state = parts.state.withDtype(quantState.dtype());
      if (!state.equals(quantState)) {
        stateJson.close();
        stateJson = json(state.json());
        quantState = state;
      }
    }
  }

  @Override
  public void checkLoaded(String path) {
    if (nestedAbsmax != null) {
      LoadedScales.check(path + ".weight.nested_absmax", nestedAbsmax.tensor());
      try (TensorScope scope = TensorScope.open("check scales")) {
        // Scales near 0 may come out below it: what was taken from them is rounded.
        LoadedScales.checkFinite(path + ".weight.absmax", scales());
      }
    } else {
      LoadedScales.check(path + ".weight.absmax", absmax.tensor());
    }
    quantState.type().codeBook().checkEqual(path + ".weight.quant_map", quantMap.tensor());
    if (nestedQuantMap != null) {
      CodeBook.DYNAMIC.checkEqual(path + ".weight.nested_quant_map", nestedQuantMap.tensor());
    }
  }

  @Override
  public Map<String, Parameter> state() {
    Map<String, Parameter> result = new LinkedHashMap<>();
    result.put(WEIGHT, packed);
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
  private static Parameter json(byte[] json) {
    try (TensorScope scope = TensorScope.open("quant state")) {
      return PackedParameter.of(Creation.ofBytes(json, json.length));
    }
  }
}
