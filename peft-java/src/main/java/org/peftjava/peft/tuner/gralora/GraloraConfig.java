package org.peftjava.peft.tuner.gralora;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.NumberedConfigBuilder;

/**
 * The configuration of GraLoRA. Reference: PEFT {@code tuners/gralora/config.py::GraloraConfig}.
 */
public final class GraloraConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("GraloraConfig", "GRALORA")
          .numberedTargets()
          .integer("r", 32, 1)
          .integer("hybrid_r", 0, 0)
          .number("alpha", 64)
          .dropout("gralora_dropout", 0)
          .integer("gralora_k", 2, 1)
          .flag("fan_in_fan_out", false)
          .bias()
          .flag("init_weights", true)
          .rule(GraloraConfig::checkBlocks)
          .build();

  private GraloraConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static GraloraConfig of(Map<String, ? extends @Nullable Object> values) {
    return new GraloraConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  private static void checkBlocks(ConfigFields fields) {
    if (fields.integer("r") % fields.integer("gralora_k") != 0) {
      throw fields.invalid("r", "must be a multiple of graloraK " + fields.integer("gralora_k"));
    }
  }

  @Override
  public GraloraConfig with(String field, @Nullable Object value) {
    return new GraloraConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Rank of a row of blocks. */
  public int r() {
    return fields().integer("r");
  }

  /** Rank of a plain update of the whole weight besides. */
  public int hybridR() {
    return fields().integer("hybrid_r");
  }

  /** Numerator of the scaling alpha/(r + hybridR). */
  public double alpha() {
    return fields().number("alpha");
  }

  /** Probability of dropping an element of the input in training. */
  public double graloraDropout() {
    return fields().number("gralora_dropout");
  }

  /** Blocks in a row and in a column of the weight. */
  public int graloraK() {
    return fields().integer("gralora_k");
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Collects the fields of a {@link GraloraConfig}. */
  public static final class Builder extends NumberedConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Rank of a row of blocks; 32. */
    public Builder r(int value) {
      return set("r", value);
    }

    /** Rank of a plain update of the whole weight besides; 0. */
    public Builder hybridR(int value) {
      return set("hybrid_r", value);
    }

    /** Numerator of the scaling alpha/(r + hybridR); 64. */
    public Builder alpha(double value) {
      return set("alpha", value);
    }

    /** Probability of dropping an element of the input in training; 0. */
    public Builder graloraDropout(double value) {
      return set("gralora_dropout", value);
    }

    /** Blocks in a row and in a column of the weight; 2. */
    public Builder graloraK(int value) {
      return set("gralora_k", value);
    }

    /** Whether weights are stored transposed, as in GPT-2; corrected automatically. */
    public Builder fanInFanOut(boolean value) {
      return set("fan_in_fan_out", value);
    }

    /** Which biases of the base are trained: none, all or gralora_only; none. */
    public Builder bias(String value) {
      return set("bias", value);
    }

    /** Whether the adapter starts without effect; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** The config, checked. */
    public GraloraConfig build() {
      return of(values());
    }
  }
}
