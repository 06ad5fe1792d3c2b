package org.peftjava.peft.tuner.vera;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.NumberedConfigBuilder;

/** The configuration of VeRA. Reference: PEFT {@code tuners/vera/config.py::VeraConfig}. */
public final class VeraConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("VeraConfig", "VERA")
          .numberedTargets()
          .integer("r", 256, 1)
          .integer("projection_prng_key", 0, Integer.MIN_VALUE)
          .flag("save_projection", true)
          .dropout("vera_dropout", 0)
          .number("d_initial", 0.1)
          .flag("fan_in_fan_out", false)
          .bias()
          .flag("init_weights", true)
          .build();

  private VeraConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static VeraConfig of(Map<String, ? extends @Nullable Object> values) {
    return new VeraConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public VeraConfig with(String field, @Nullable Object value) {
    return new VeraConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Rank of the shared matrices. */
  public int r() {
    return fields().integer("r");
  }

  /** Seed of the shared matrices. */
  public int projectionPrngKey() {
    return fields().integer("projection_prng_key");
  }

  /** Whether files hold the shared matrices. */
  public boolean saveProjection() {
    return fields().flag("save_projection");
  }

  /** Probability of dropping an element of the input in training. */
  public double veraDropout() {
    return fields().number("vera_dropout");
  }

  /** What the inner vector starts as. */
  public double dInitial() {
    return fields().number("d_initial");
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Collects the fields of a {@link VeraConfig}. */
  public static final class Builder extends NumberedConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Rank of the shared matrices; 256. */
    public Builder r(int value) {
      return set("r", value);
    }

    /** Seed of the shared matrices; 0. */
    public Builder projectionPrngKey(int value) {
      return set("projection_prng_key", value);
    }

    /** Whether files hold the shared matrices; else they are drawn again from the seed; true. */
    public Builder saveProjection(boolean value) {
      return set("save_projection", value);
    }

    /** Probability of dropping an element of the input in training; 0. */
    public Builder veraDropout(double value) {
      return set("vera_dropout", value);
    }

    /** What the inner vector starts as; 0.1. */
    public Builder dInitial(double value) {
      return set("d_initial", value);
    }

    /** Whether weights are stored transposed, as in GPT-2; corrected automatically. */
    public Builder fanInFanOut(boolean value) {
      return set("fan_in_fan_out", value);
    }

    /** Which biases of the base are trained: none, all or vera_only; none. */
    public Builder bias(String value) {
      return set("bias", value);
    }

    /** Whether the adapter starts without effect; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** The config, checked. */
    public VeraConfig build() {
      return of(values());
    }
  }
}
