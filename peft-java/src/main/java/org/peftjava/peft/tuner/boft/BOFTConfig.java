package org.peftjava.peft.tuner.boft;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerConfigBuilder;
import org.peftjava.peft.tuner.LayerTunerConfig;

/** The configuration of BOFT. Reference: PEFT {@code tuners/boft/config.py::BOFTConfig}. */
public final class BOFTConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("BOFTConfig", "BOFT")
          .layerTargets()
          .integer("boft_block_size", 4, 0)
          .integer("boft_block_num", 0, 0)
          .integer("boft_n_butterfly_factor", 1, 1)
          .dropout("boft_dropout", 0)
          .flag("fan_in_fan_out", false)
          .bias()
          .flag("init_weights", true)
          .rule(BOFTConfig::checkBlocks)
          .build();

  private BOFTConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static BOFTConfig of(Map<String, ? extends @Nullable Object> values) {
    return new BOFTConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  private static void checkBlocks(ConfigFields fields) {
    boolean byNumber = fields.integer("boft_block_num") != 0;
    if (byNumber == (fields.integer("boft_block_size") != 0)) {
      throw fields.invalid(
          "boft_block_size",
          byNumber
              ? "must be 0 if boftBlockNum is set: their product are the input features"
              : "or boftBlockNum must be set: the size of the blocks or their number");
    }
  }

  @Override
  public BOFTConfig with(String field, @Nullable Object value) {
    return new BOFTConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** The features of a block, or 0 if their number is given. */
  public int boftBlockSize() {
    return fields().integer("boft_block_size");
  }

  /** The number of blocks, or 0 if their size is given. */
  public int boftBlockNum() {
    return fields().integer("boft_block_num");
  }

  /** How many arrangements of blocks follow each other. */
  public int boftNButterflyFactor() {
    return fields().integer("boft_n_butterfly_factor");
  }

  /** Share of the blocks that do not rotate in a training step. */
  public double boftDropout() {
    return fields().number("boft_dropout");
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Collects the fields of a {@link BOFTConfig}. */
  public static final class Builder extends LayerConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** The features of a block; 4. */
    public Builder boftBlockSize(int value) {
      return set("boft_block_size", value);
    }

    /** The number of blocks; set boftBlockSize to 0 with it; 0. */
    public Builder boftBlockNum(int value) {
      return set("boft_block_num", value);
    }

    /** How many arrangements of blocks follow each other; 1 is OFT; 1. */
    public Builder boftNButterflyFactor(int value) {
      return set("boft_n_butterfly_factor", value);
    }

    /** Share of the blocks that do not rotate in a training step; 0. */
    public Builder boftDropout(double value) {
      return set("boft_dropout", value);
    }

    /** Whether weights are stored transposed, as in GPT-2; corrected automatically. */
    public Builder fanInFanOut(boolean value) {
      return set("fan_in_fan_out", value);
    }

    /** Which biases of the base are trained: none, all or boft_only; none. */
    public Builder bias(String value) {
      return set("bias", value);
    }

    /** Whether the adapter starts without effect; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** The config, checked. */
    public BOFTConfig build() {
      return of(values());
    }
  }
}
