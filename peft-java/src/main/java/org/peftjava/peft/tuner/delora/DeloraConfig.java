package org.peftjava.peft.tuner.delora;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerConfigBuilder;
import org.peftjava.peft.tuner.LayerTunerConfig;

/** The configuration of DeLoRA. Reference: PEFT {@code tuners/delora/config.py::DeloraConfig}. */
public final class DeloraConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("DeloraConfig", "DELORA")
          .layerTargets()
          .integer("r", 8, 1)
          .number("delora_lambda", 15)
          .dropout("module_dropout", 0)
          .bias()
          .flag("init_weights", true)
          .counts("rank_pattern")
          .pattern("lambda_pattern")
          .build();

  private DeloraConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static DeloraConfig of(Map<String, ? extends @Nullable Object> values) {
    return new DeloraConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public DeloraConfig with(String field, @Nullable Object value) {
    return new DeloraConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Rank. */
  public int r() {
    return fields().integer("r");
  }

  /** What the length of the update starts as. */
  public double deloraLambda() {
    return fields().number("delora_lambda");
  }

  /** Probability of dropping an element of the input in training. */
  public double moduleDropout() {
    return fields().number("module_dropout");
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Collects the fields of a {@link DeloraConfig}. */
  public static final class Builder extends LayerConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Rank; 8. */
    public Builder r(int value) {
      return set("r", value);
    }

    /** What the length of the update starts as; 15. */
    public Builder deloraLambda(double value) {
      return set("delora_lambda", value);
    }

    /** Probability of dropping an element of the input in training; 0. */
    public Builder moduleDropout(double value) {
      return set("module_dropout", value);
    }

    /** Which biases of the base are trained: none, all or delora_only; none. */
    public Builder bias(String value) {
      return set("bias", value);
    }

    /** Whether the adapter starts without effect; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** Ranks for modules whose path ends with a match of the pattern. */
    public Builder rankPattern(Map<String, Integer> value) {
      return set("rank_pattern", value);
    }

    /** Lengths, as rankPattern. */
    public Builder lambdaPattern(Map<String, ? extends Number> value) {
      return set("lambda_pattern", value);
    }

    /** The config, checked. */
    public DeloraConfig build() {
      return of(values());
    }
  }
}
