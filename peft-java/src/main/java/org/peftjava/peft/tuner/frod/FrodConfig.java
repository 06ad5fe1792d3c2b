package org.peftjava.peft.tuner.frod;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.NumberedConfigBuilder;

/**
 * The configuration of FRoD. Paper: doi.org/10.1609/aaai.v40i31.39813. Reference: PEFT {@code
 * tuners/frod/config.py}.
 */
public final class FrodConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("FrodConfig", "FROD")
          .numberedTargets()
          .integer("projection_prng_key", 0, Integer.MIN_VALUE)
          .flag("save_projection", true)
          .dropout("frod_dropout", 0)
          .flag("fan_in_fan_out", false)
          .bias()
          .flag("init_weights", true)
          .number("sparse_rate", 0.01)
          .number("regularization_alpha", 1e-3)
          .flag("progressbar", true)
          .flag("runtime_offload_base_weight", false)
          .rule(
              fields -> {
                double rate = fields.number("sparse_rate");
                if (!(rate >= 0 && rate <= 1)) {
                  throw fields.invalid("sparse_rate", "must be in [0, 1]");
                }
              })
          .build();

  private FrodConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static FrodConfig of(Map<String, ? extends @Nullable Object> values) {
    return new FrodConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public FrodConfig with(String field, @Nullable Object value) {
    return new FrodConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Seed of the places of the trained numbers. */
  public int projectionPrngKey() {
    return fields().integer("projection_prng_key");
  }

  /** Whether files hold the bases. */
  public boolean saveProjection() {
    return fields().flag("save_projection");
  }

  /** Probability of dropping an element of the input in training. */
  public double frodDropout() {
    return fields().number("frod_dropout");
  }

  /** Whether a fresh adapter changes nothing. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** The share of places with trained numbers. */
  public double sparseRate() {
    return fields().number("sparse_rate");
  }

  /** What keeps an inverse stable where layers are alike. */
  public double regularizationAlpha() {
    return fields().number("regularization_alpha");
  }

  /** Collects the fields of a {@link FrodConfig}. */
  public static final class Builder extends NumberedConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Seed of the places of the trained numbers; 0. */
    public Builder projectionPrngKey(int value) {
      return set("projection_prng_key", value);
    }

    /** Whether files hold the bases; true. */
    public Builder saveProjection(boolean value) {
      return set("save_projection", value);
    }

    /** Probability of dropping an element of the input in training; 0. */
    public Builder frodDropout(double value) {
      return set("frod_dropout", value);
    }

    /** Whether weights are stored transposed, as in GPT-2; corrected automatically; false. */
    public Builder fanInFanOut(boolean value) {
      return set("fan_in_fan_out", value);
    }

    /** Which biases of the base are trained: none, all or frod_only; none. */
    public Builder bias(String value) {
      return set("bias", value);
    }

    /** Whether a fresh adapter changes nothing; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** The share of places with trained numbers; 0.01. */
    public Builder sparseRate(double value) {
      return set("sparse_rate", value);
    }

    /** What keeps an inverse stable where layers are alike; 1e-3. */
    public Builder regularizationAlpha(double value) {
      return set("regularization_alpha", value);
    }

    /** Without effect; true. */
    public Builder progressbar(boolean value) {
      return set("progressbar", value);
    }

    /** Without effect; false. */
    public Builder runtimeOffloadBaseWeight(boolean value) {
      return set("runtime_offload_base_weight", value);
    }

    /** The config, checked. */
    public FrodConfig build() {
      return of(values());
    }
  }
}
