package org.peftjava.peft.tuner.loha;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.LycorisConfigBuilder;

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
          .counts("rank_pattern")
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
  public static final class Builder extends LycorisConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Whether the adapter starts without effect; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** The config, checked. */
    public LoHaConfig build() {
      return of(values());
    }
  }
}
