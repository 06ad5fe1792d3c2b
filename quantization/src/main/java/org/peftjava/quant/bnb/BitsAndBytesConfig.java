package org.peftjava.quant.bnb;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.peftjava.quant.QuantizationConfig;
import org.peftjava.quant.QuantizedLinear;
import org.peftjava.quant.QuantizedWeight;
import org.peftjava.quant.StoredLayer;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * How a model's linear layers are quantized, with the names, meanings and defaults of transformers'
 * {@code BitsAndBytesConfig}.
 *
 * <pre>{@code
 * var config = BitsAndBytesConfig.builder()
 *     .loadIn4bit(true)
 *     .bnb4bitQuantType(QuantType.NF4)
 *     .bnb4bitUseDoubleQuant(true)
 *     .bnb4bitComputeDtype(DType.BFLOAT16)
 *     .build();
 * }</pre>
 *
 * @param loadIn8bit int8 weights
 * @param loadIn4bit 4-bit weights
 * @param llmInt8Threshold activations at least this large are outliers, for int8 weights
 * @param llmInt8SkipModules layers that stay as they are, of either kind; empty for the output head
 * @param llmInt8EnableFp32CpuOffload keeps what is placed on the CPU unquantized
 * @param llmInt8HasFp16Weight keeps a 16-bit copy of int8 weights
 * @param bnb4bitComputeDtype in which 4-bit layers compute
 * @param bnb4bitQuantType format of 4-bit weights
 * @param bnb4bitUseDoubleQuant quantizes the scales of 4-bit weights too
 * @param bnb4bitQuantStorage type of the tensors that hold 4-bit codes
 */
public record BitsAndBytesConfig(
    boolean loadIn8bit,
    boolean loadIn4bit,
    double llmInt8Threshold,
    Optional<List<String>> llmInt8SkipModules,
    boolean llmInt8EnableFp32CpuOffload,
    boolean llmInt8HasFp16Weight,
    DType bnb4bitComputeDtype,
    QuantType bnb4bitQuantType,
    boolean bnb4bitUseDoubleQuant,
    DType bnb4bitQuantStorage)
    implements QuantizationConfig {
  /** The block size that transformers always uses. */
  private static final int BLOCK_SIZE = 64;

  /** What {@code quant_method} is in {@code config.json}. */
  public static final String QUANT_METHOD = "bitsandbytes";

  /** Checks what contradicts itself. */
  public BitsAndBytesConfig {
    llmInt8SkipModules = llmInt8SkipModules.map(List::copyOf);
    if (loadIn4bit && loadIn8bit) {
      throw new IllegalArgumentException(
          "load_in_4bit and load_in_8bit are both true. Expected one of them.");
    }
    if (!(llmInt8Threshold >= 0) || Double.isInfinite(llmInt8Threshold)) {
      throw new IllegalArgumentException(
          "llm_int8_threshold is "
              + llmInt8Threshold
              + ". Expected 0 (no outliers) or a positive number; the default is 6.");
    }
    if (!bnb4bitComputeDtype.isFloatingPoint()) {
      throw new IllegalArgumentException(
          "bnb_4bit_compute_dtype is "
              + bnb4bitComputeDtype
              + ". Expected a floating-point type, such as bfloat16.");
    }
    if (!bnb4bitQuantStorage.isFloatingPoint()
        && bnb4bitQuantStorage != DType.UINT8
        && bnb4bitQuantStorage != DType.INT8) {
      throw new IllegalArgumentException(
          "bnb_4bit_quant_storage is "
              + bnb4bitQuantStorage
              + ". Expected uint8, int8 or a floating-point type.");
    }
  }

  /** The defaults of transformers: nothing loaded in fewer bits, FP4, computing in float32. */
  public static Builder builder() {
    return new Builder();
  }

  /** The config that makes such a layer. */
  public static BitsAndBytesConfig of(QuantizedLinear layer) {
    Builder builder = builder();
    if (layer instanceof Linear8bitLt eight) {
      return builder.loadIn8bit(true).llmInt8Threshold(eight.threshold()).build();
    }
    if (layer instanceof Linear4bit four) {
      return builder
          .loadIn4bit(true)
          .bnb4bitComputeDtype(four.computeDtype())
          .bnb4bitQuantType(four.quantType())
          .bnb4bitUseDoubleQuant(four.compressStatistics())
          .bnb4bitQuantStorage(four.quantStorage())
          .build();
    }
    throw new IllegalArgumentException(
        "A " + layer.getClass().getSimpleName() + " is no layer of bitsandbytes.");
  }

  @Override
  public Optional<List<String>> skipModules() {
    return llmInt8SkipModules;
  }

  @Override
  public BitsAndBytesConfig withSkipModules(List<String> names) {
    return new BitsAndBytesConfig(
        loadIn8bit,
        loadIn4bit,
        llmInt8Threshold,
        Optional.of(names),
        llmInt8EnableFp32CpuOffload,
        llmInt8HasFp16Weight,
        bnb4bitComputeDtype,
        bnb4bitQuantType,
        bnb4bitUseDoubleQuant,
        bnb4bitQuantStorage);
  }

  @Override
  public void checkSupported() {
    if (!loadIn4bit && !loadIn8bit) {
      throw new IllegalArgumentException(
          "The BitsAndBytesConfig asks for no quantization: load_in_4bit and load_in_8bit are both"
              + " false. Set one of them, or leave the config away.");
    }
    if (loadIn8bit && llmInt8HasFp16Weight) {
      throw new UnsupportedOperationException(
          "llm_int8_has_fp16_weight is set: a 16-bit copy of the weights beside the int8 ones, for"
              + " training them. Quantized weights are not trained here; leave it false, or load"
              + " the model without quantization.");
    }
  }

  @Override
  public QuantizedWeight quantize(Tensor dense, DType rounded) {
    checkSupported();
    return loadIn8bit
        ? EightBitWeight.quantize(dense, rounded, llmInt8Threshold)
        : FourBitWeight.quantize(dense, rounded, format());
  }

  private FourBitFormat format() {
    return new FourBitFormat(
        bnb4bitQuantType, BLOCK_SIZE, bnb4bitUseDoubleQuant, bnb4bitQuantStorage);
  }

  @Override
  public QuantizedLinear layer(QuantizedWeight weight, @Nullable Parameter bias) {
    return weight instanceof EightBitWeight eight
        ? new Linear8bitLt(eight, bias)
        : new Linear4bit((FourBitWeight) weight, bias, bnb4bitComputeDtype);
  }

  @Override
  public Optional<QuantizedWeight> stored(StoredLayer file, DType dtype) {
    if (loadIn8bit) {
      return file.has("SCB")
          ? Optional.of(EightBitWeight.unloaded(file.shape(), dtype, llmInt8Threshold))
          : Optional.empty();
    }
    for (QuantType type : QuantType.values()) {
      String state = "weight.quant_state.bitsandbytes__" + type.pythonName();
      if (file.has(state)) {
        return Optional.of(
            FourBitWeight.unloaded(file.bytes(state), file.dtype(), file.name(state)));
      }
    }
    return Optional.empty();
  }

  /** Every setting under its name in {@code config.json}, as transformers writes them. */
  @Override
  public Map<String, @Nullable Object> toDict() {
    Map<String, @Nullable Object> result = new TreeMap<>();
    result.put("_load_in_4bit", loadIn4bit);
    result.put("_load_in_8bit", loadIn8bit);
    result.put("bnb_4bit_compute_dtype", bnb4bitComputeDtype.pythonName());
    result.put("bnb_4bit_quant_storage", bnb4bitQuantStorage.pythonName());
    result.put("bnb_4bit_quant_type", bnb4bitQuantType.pythonName());
    result.put("bnb_4bit_use_double_quant", bnb4bitUseDoubleQuant);
    result.put("llm_int8_enable_fp32_cpu_offload", llmInt8EnableFp32CpuOffload);
    result.put("llm_int8_has_fp16_weight", llmInt8HasFp16Weight);
    result.put("llm_int8_skip_modules", llmInt8SkipModules.orElse(null));
    result.put("llm_int8_threshold", llmInt8Threshold);
    result.put("load_in_4bit", loadIn4bit);
    result.put("load_in_8bit", loadIn8bit);
    result.put("quant_method", QUANT_METHOD);
    return result;
  }

  /** Builds a {@link BitsAndBytesConfig}; each method sets the component of its name. */
  public static final class Builder {
    private boolean loadIn8bit;
    private boolean loadIn4bit;
    private double llmInt8Threshold = 6;
    private Optional<List<String>> llmInt8SkipModules = Optional.empty();
    private boolean llmInt8EnableFp32CpuOffload;
    private boolean llmInt8HasFp16Weight;
    private DType bnb4bitComputeDtype = DType.FLOAT32;
    private QuantType bnb4bitQuantType = QuantType.FP4;
    private boolean bnb4bitUseDoubleQuant;
    private DType bnb4bitQuantStorage = DType.UINT8;

    private Builder() {}

    /** Int8 weights. */
    public Builder loadIn8bit(boolean value) {
      loadIn8bit = value;
      return this;
    }

    /** 4-bit weights. */
    public Builder loadIn4bit(boolean value) {
      loadIn4bit = value;
      return this;
    }

    /** Activations at least this large are outliers, for int8 weights. */
    public Builder llmInt8Threshold(double value) {
      llmInt8Threshold = value;
      return this;
    }

    /** Layers that stay as they are, in place of the output head. */
    public Builder llmInt8SkipModules(List<String> value) {
      llmInt8SkipModules = Optional.of(value);
      return this;
    }

    /** The same as arguments. */
    public Builder llmInt8SkipModules(String... value) {
      return llmInt8SkipModules(List.of(value));
    }

    /** Keeps what is placed on the CPU unquantized. */
    public Builder llmInt8EnableFp32CpuOffload(boolean value) {
      llmInt8EnableFp32CpuOffload = value;
      return this;
    }

    /** Keeps a 16-bit copy of int8 weights. */
    public Builder llmInt8HasFp16Weight(boolean value) {
      llmInt8HasFp16Weight = value;
      return this;
    }

    /** The type in which 4-bit layers compute. */
    public Builder bnb4bitComputeDtype(DType value) {
      bnb4bitComputeDtype = value;
      return this;
    }

    /** The format of 4-bit weights. */
    public Builder bnb4bitQuantType(QuantType value) {
      bnb4bitQuantType = value;
      return this;
    }

    /** Quantizes the scales of 4-bit weights too. */
    public Builder bnb4bitUseDoubleQuant(boolean value) {
      bnb4bitUseDoubleQuant = value;
      return this;
    }

    /** The type of the tensors that hold 4-bit codes. */
    public Builder bnb4bitQuantStorage(DType value) {
      bnb4bitQuantStorage = value;
      return this;
    }

    /** The checked config. */
    public BitsAndBytesConfig build() {
      return new BitsAndBytesConfig(
          loadIn8bit,
          loadIn4bit,
          llmInt8Threshold,
          llmInt8SkipModules,
          llmInt8EnableFp32CpuOffload,
          llmInt8HasFp16Weight,
          bnb4bitComputeDtype,
          bnb4bitQuantType,
          bnb4bitUseDoubleQuant,
          bnb4bitQuantStorage);
    }
  }
}
