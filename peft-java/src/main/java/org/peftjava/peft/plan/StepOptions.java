package org.peftjava.peft.plan;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import java.util.Optional;
import java.util.OptionalLong;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.transformers.training.OptimizerNames;

/**
 * The training step that a {@link MemoryPlan} is made for.
 *
 * @param adapter what is trained
 * @param dtype of the weights that are not quantized, and so of hidden states
 * @param quantizationConfig how linear layers are quantized; empty for not at all
 * @param autocastAdapterDtype whether the adapter is float32 over weights of 16 bits
 * @param optim the optimizer
 * @param gradientCheckpointing whether layers are computed again in the backward pass
 * @param batch rows of one pass
 * @param sequence tokens of a row
 * @param targetSequence tokens of a row that an encoder-decoder writes; unused by other models
 * @param device where the step runs, which decides what its kernels take room for; a card need not
 *     be there
 */
public record StepOptions(
    TunerConfig adapter,
    DType dtype,
    Optional<BitsAndBytesConfig> quantizationConfig,
    boolean autocastAdapterDtype,
    OptimizerNames optim,
    boolean gradientCheckpointing,
    long batch,
    long sequence,
    long targetSequence,
    Device device) {
  /** Checks the sizes. */
  public StepOptions {
    if (batch < 1 || sequence < 1 || targetSequence < 1) {
      throw new IllegalArgumentException(
          "batch is "
              + batch
              + ", sequence "
              + sequence
              + " and targetSequence "
              + targetSequence
              + ". Expected at least 1 row and 1 token.");
    }
    if (!dtype.isFloatingPoint()) {
      throw new IllegalArgumentException(
          "dtype is " + dtype + ". Expected float32, bfloat16 or float16.");
    }
    if (!device.isCuda() && !device.equals(Device.CPU)) {
      throw new IllegalArgumentException("device is " + device + ". Expected cpu or cuda.");
    }
  }

  /** LoRA of rank 8 over bfloat16 weights, AdamW, one row of 2048 tokens, on the default device. */
  public static Builder builder() {
    return new Builder();
  }

  /** Tokens of one pass. */
  public long tokens() {
    return Math.multiplyExact(batch, sequence);
  }

  /** The same step with other sizes; what is written stays in proportion to what is read. */
  public StepOptions withSize(long newBatch, long newSequence) {
    double share = (double) targetSequence / sequence;
    return toBuilder()
        .batch(newBatch)
        .sequence(newSequence)
        .targetSequence(Math.max(1, Math.round(share * newSequence)))
        .build();
  }

  /** A builder with these values. */
  public Builder toBuilder() {
    Builder builder = new Builder();
    builder.adapter = adapter;
    builder.dtype = dtype;
    builder.quantizationConfig = quantizationConfig;
    builder.autocastAdapterDtype = autocastAdapterDtype;
    builder.optim = optim;
    builder.gradientCheckpointing = gradientCheckpointing;
    builder.batch = batch;
    builder.sequence = sequence;
    builder.targetSequence = OptionalLong.of(targetSequence);
    builder.device = device;
    return builder;
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private TunerConfig adapter = LoraConfig.builder().build();
    private DType dtype = DType.BFLOAT16;
    private Optional<BitsAndBytesConfig> quantizationConfig = Optional.empty();
    private boolean autocastAdapterDtype = true;
    private OptimizerNames optim = OptimizerNames.ADAMW_TORCH;
    private boolean gradientCheckpointing;
    private long batch = 1;
    private long sequence = 2048;
    private OptionalLong targetSequence = OptionalLong.empty();
    private Device device = Device.defaultDevice();

    private Builder() {}

    /** What is trained. */
    @CanIgnoreReturnValue
    public Builder adapter(TunerConfig value) {
      adapter = value;
      return this;
    }

    /** The type of the weights that are not quantized. */
    @CanIgnoreReturnValue
    public Builder dtype(DType value) {
      dtype = value;
      return this;
    }

    /** How linear layers are quantized. */
    @CanIgnoreReturnValue
    public Builder quantizationConfig(BitsAndBytesConfig value) {
      value.checkSupported();
      quantizationConfig = Optional.of(value);
      return this;
    }

    /** Whether the adapter is float32 over weights of 16 bits. */
    @CanIgnoreReturnValue
    public Builder autocastAdapterDtype(boolean value) {
      autocastAdapterDtype = value;
      return this;
    }

    /** The optimizer. */
    @CanIgnoreReturnValue
    public Builder optim(OptimizerNames value) {
      optim = value;
      return this;
    }

    /** Whether layers are computed again in the backward pass. */
    @CanIgnoreReturnValue
    public Builder gradientCheckpointing(boolean value) {
      gradientCheckpointing = value;
      return this;
    }

    /** Rows of one pass. */
    @CanIgnoreReturnValue
    public Builder batch(long value) {
      batch = value;
      return this;
    }

    /** Tokens of a row. */
    @CanIgnoreReturnValue
    public Builder sequence(long value) {
      sequence = value;
      return this;
    }

    /** Tokens of a row that an encoder-decoder writes; as many as it reads by default. */
    @CanIgnoreReturnValue
    public Builder targetSequence(long value) {
      targetSequence = OptionalLong.of(value);
      return this;
    }

    /** Where the step runs. */
    @CanIgnoreReturnValue
    public Builder device(Device value) {
      device = value;
      return this;
    }

    /** The options. */
    public StepOptions build() {
      return new StepOptions(
          adapter,
          dtype,
          quantizationConfig,
          autocastAdapterDtype,
          optim,
          gradientCheckpointing,
          batch,
          sequence,
          targetSequence.orElse(sequence),
          device);
    }
  }
}
