package org.peftjava.peft.tuner.lokr;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.LycorisConfigBuilder;

/** The configuration of LoKr. Reference: PEFT {@code tuners/lokr/config.py::LoKrConfig}. */
public final class LoKrConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("LoKrConfig", "LOKR")
          .layerTargets()
          .integer("r", 8, 1)
          .number("alpha", 8)
          .dropout("rank_dropout", 0)
          .dropout("module_dropout", 0)
          .flag("use_effective_conv2d", false)
          .flag("decompose_both", false)
          .integer("decompose_factor", -1, -1)
          .flag("rank_dropout_scale", false)
          .flagOr("init_weights", true, "lycoris")
          .counts("rank_pattern")
          .pattern("alpha_pattern")
          .build();

  private LoKrConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static LoKrConfig of(Map<String, ? extends @Nullable Object> values) {
    return new LoKrConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public LoKrConfig with(String field, @Nullable Object value) {
    return new LoKrConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Rank of factors that are decomposed. */
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

  /** Whether the left factor is decomposed too. */
  public boolean decomposeBoth() {
    return fields().flag("decompose_both");
  }

  /** Size of the left factor, or -1 for the most even split. */
  public int decomposeFactor() {
    return fields().integer("decompose_factor");
  }

  /** Whether rows kept by rankDropout are scaled up. */
  public boolean rankDropoutScale() {
    return fields().flag("rank_dropout_scale");
  }

  /** Collects the fields of a {@link LoKrConfig}. */
  public static final class Builder extends LycorisConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Whether the left factor is decomposed too, where r is small enough; false. */
    public Builder decomposeBoth(boolean value) {
      return set("decompose_both", value);
    }

    /** Size of the left factor; -1 for the most even split. */
    public Builder decomposeFactor(int value) {
      return set("decompose_factor", value);
    }

    /** Whether rows kept by rankDropout are scaled up; false. */
    public Builder rankDropoutScale(boolean value) {
      return set("rank_dropout_scale", value);
    }

    /**
     * Which factor starts as zeros: true the left one, "lycoris" the right one, false none; true.
     */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /**
     * Which factor starts as zeros: true the left one, "lycoris" the right one, false none; true.
     */
    public Builder initWeights(String value) {
      return set("init_weights", value);
    }

    /** The config, checked. */
    public LoKrConfig build() {
      return of(values());
    }
  }
}
