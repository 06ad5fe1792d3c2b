package org.peftjava.peft.tuner.miss;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerConfigBuilder;
import org.peftjava.peft.tuner.LayerTunerConfig;

/** The configuration of MiSS. Reference: PEFT {@code tuners/miss/config.py::MissConfig}. */
public final class MissConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("MissConfig", "MISS")
          .layerTargets()
          .integer("r", 64, 1)
          .dropout("miss_dropout", 0)
          .integer("mini_r", 1, 1)
          .flagOr("init_weights", true, "bat", "mini")
          .bias()
          .build();

  private MissConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static MissConfig of(Map<String, ? extends @Nullable Object> values) {
    return new MissConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public MissConfig with(String field, @Nullable Object value) {
    return new MissConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Rank: the input features of one block. */
  public int r() {
    return fields().integer("r");
  }

  /** Probability of dropping an element of the input in training. */
  public double missDropout() {
    return fields().number("miss_dropout");
  }

  /** The output features of one block, for "mini". */
  public int miniR() {
    return fields().integer("mini_r");
  }

  /** Collects the fields of a {@link MissConfig}. */
  public static final class Builder extends LayerConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Rank: the input features of one block; 64. */
    public Builder r(int value) {
      return set("r", value);
    }

    /** Probability of dropping an element of the input in training; 0. */
    public Builder missDropout(double value) {
      return set("miss_dropout", value);
    }

    /** The output features of one block, for "mini"; 1. */
    public Builder miniR(int value) {
      return set("mini_r", value);
    }

    /**
     * The variant: "bat", "mini", or true for the plain one and false for it with random values;
     * true.
     */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /**
     * The variant: "bat", "mini", or true for the plain one and false for it with random values;
     * true.
     */
    public Builder initWeights(String value) {
      return set("init_weights", value);
    }

    /** Which biases of the base are trained: none, all or miss_only; none. */
    public Builder bias(String value) {
      return set("bias", value);
    }

    /** The config, checked. */
    public MissConfig build() {
      return of(values());
    }
  }
}
