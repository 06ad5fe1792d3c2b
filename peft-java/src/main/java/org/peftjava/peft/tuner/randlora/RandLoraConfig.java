package org.peftjava.peft.tuner.randlora;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.NumberedConfigBuilder;

/**
 * The configuration of RandLoRA. Reference: PEFT {@code tuners/randlora/config.py::RandLoraConfig}.
 */
public final class RandLoraConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("RandLoraConfig", "RANDLORA")
          .numberedTargets()
          .integer("r", 32, 1)
          .integer("projection_prng_key", 0, 0)
          .flag("save_projection", true)
          .flag("sparse", false)
          .flag("very_sparse", false)
          .dropout("randlora_dropout", 0)
          .flag("fan_in_fan_out", false)
          .number("randlora_alpha", 640)
          .flag("init_weights", true)
          .bias()
          .build();

  private RandLoraConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static RandLoraConfig of(Map<String, ? extends @Nullable Object> values) {
    return new RandLoraConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public RandLoraConfig with(String field, @Nullable Object value) {
    return new RandLoraConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Rank of the random matrices: the smaller, the more are summed and trained. */
  public int r() {
    return fields().integer("r");
  }

  /** Seed of the random matrices. */
  public int projectionPrngKey() {
    return fields().integer("projection_prng_key");
  }

  /** Whether files hold the random matrices, which are otherwise drawn again. */
  public boolean saveProjection() {
    return fields().flag("save_projection");
  }

  /** Whether two of three elements of them are zero. */
  public boolean sparse() {
    return fields().flag("sparse");
  }

  /** Whether all but one of sqrt(d) elements of them are zero. */
  public boolean verySparse() {
    return fields().flag("very_sparse");
  }

  /** Probability with which elements of the input are dropped in training. */
  public double randloraDropout() {
    return fields().number("randlora_dropout");
  }

  /** Numerator of the scaling alpha/r. */
  public double randloraAlpha() {
    return fields().number("randlora_alpha");
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Collects the fields of a {@link RandLoraConfig}. */
  public static final class Builder extends NumberedConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Rank of the random matrices: the smaller, the more are summed and trained; 32. */
    public Builder r(int value) {
      return set("r", value);
    }

    /** Seed of the random matrices, the same for all adapters; 0. */
    public Builder projectionPrngKey(int value) {
      return set("projection_prng_key", value);
    }

    /** Whether files hold the random matrices, which are otherwise drawn again; true. */
    public Builder saveProjection(boolean value) {
      return set("save_projection", value);
    }

    /** Whether two of three elements of the random matrices are zero; false. */
    public Builder sparse(boolean value) {
      return set("sparse", value);
    }

    /** Whether all but one of sqrt(d) elements of the random matrices are zero; false. */
    public Builder verySparse(boolean value) {
      return set("very_sparse", value);
    }

    /** Probability of dropping an element of the input in training; 0. */
    public Builder randloraDropout(double value) {
      return set("randlora_dropout", value);
    }

    /** Whether weights are stored transposed, as in GPT-2; corrected automatically. */
    public Builder fanInFanOut(boolean value) {
      return set("fan_in_fan_out", value);
    }

    /** Numerator of the scaling alpha/r; 640. */
    public Builder randloraAlpha(double value) {
      return set("randlora_alpha", value);
    }

    /** Whether the adapter starts without effect; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** Which biases of the base are trained with the adapter: none, all or randlora_only; none. */
    public Builder bias(String value) {
      return set("bias", value);
    }

    /** The config, checked. */
    public RandLoraConfig build() {
      return of(values());
    }
  }
}
