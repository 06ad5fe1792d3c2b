package org.peftjava.quant.bnb;

import java.util.List;
import java.util.Optional;
import org.peftjava.quant.QuantizationConfig;
import org.peftjava.quant.QuantizedWeight;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;

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

  @Override
  public Optional<List<String>> skipModules() {
    return llmInt8SkipModules;
  }

  @Override
  public DType computeDtype() {
    return bnb4bitComputeDtype;
  }

  @Override
  public void checkSupported() {
    if (loadIn8bit) {
      throw new UnsupportedOperationException(
          "load_in_8bit is set, but int8 weights come in a later version. Use"
              + " loadIn4bit(true).");
    }
    if (!loadIn4bit) {
      throw new IllegalArgumentException(
          "The BitsAndBytesConfig asks for no quantization: load_in_4bit and load_in_8bit are both"
              + " false. Set loadIn4bit(true), or leave the config away.");
    }
    if (bnb4bitQuantStorage != DType.UINT8) {
      throw new UnsupportedOperationException(
          "bnb_4bit_quant_storage is "
              + bnb4bitQuantStorage
              + ", but other types than uint8 come in a later version. Leave it at uint8; the"
              + " values are the same.");
    }
  }

  @Override
  public QuantizedWeight quantize(Tensor dense) {
    checkSupported();
    return FourBitWeight.quantize(dense, bnb4bitQuantType, BLOCK_SIZE, bnb4bitUseDoubleQuant);
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
