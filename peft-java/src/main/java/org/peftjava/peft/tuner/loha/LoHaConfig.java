package org.peftjava.peft.tuner.loha;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerConfigBuilder;
import org.peftjava.peft.tuner.LayerTunerConfig;

/** The configuration of LoHa. Reference: PEFT {@code tuners/loha/config.py::LoHaConfig}. */
public final class LoHaConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("LoHaConfig", "LOHA")
          .layerTargets()
          .integer("r", 8, 1)
          .number("alpha", 8)
          .dropout("rank_dropout", 0)
          .dropout("module_dropout", 0)
          .flag("use_effective_conv2d", false)
          .flag("init_weights", true)
          .pattern("rank_pattern")
          .pattern("alpha_pattern")
          .build();

  private LoHaConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static LoHaConfig of(Map<String, ? extends @Nullable Object> values) {
    return new LoHaConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public LoHaConfig with(String field, @Nullable Object value) {
    return new LoHaConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Rank of both factors. */
  public int r() {
    return fields().integer("r");
  }

  /** Numerator of the scaling alpha/r. */
  public double alpha() {
    return fields().number("alpha");
  }

  /** Probability of dropping an output row of the update in training. */
  public double rankDropout() {
    return fields().number("rank_dropout");
  }

  /** Probability of leaving the update out of a training step. */
  public double moduleDropout() {
    return fields().number("module_dropout");
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Collects the fields of a {@link LoHaConfig}. */
  public static final class Builder extends LayerConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Rank of both factors; 8. */
    public Builder r(int value) {
      return set("r", value);
    }

    /** Numerator of the scaling alpha/r; 8. */
    public Builder alpha(double value) {
      return set("alpha", value);
    }

    /** Probability of dropping an output row of the update in training; 0. */
    public Builder rankDropout(double value) {
      return set("rank_dropout", value);
    }

    /** Probability of leaving the update out of a training step; 0. */
    public Builder moduleDropout(double value) {
      return set("module_dropout", value);
    }

    /** For convolutions, which no model here has; kept in the file. */
    public Builder useEffectiveConv2d(boolean value) {
      return set("use_effective_conv2d", value);
    }

    /** Whether the adapter starts without effect; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** Ranks for modules whose path ends with a match of the pattern. */
    public Builder rankPattern(Map<String, Integer> value) {
      return set("rank_pattern", value);
    }

    /** Alphas, as rankPattern. */
    public Builder alphaPattern(Map<String, ? extends Number> value) {
      return set("alpha_pattern", value);
    }

    /** The config, checked. */
    public LoHaConfig build() {
      return of(values());
    }
  }
}
