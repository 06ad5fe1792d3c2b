package org.peftjava.peft.tuner.pvera;

import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.NumberedConfigBuilder;

/**
 * The configuration of PVeRA, probabilistic VeRA. Paper: arXiv:2512.07703. Reference: PEFT {@code
 * tuners/pvera/config.py}.
 */
public final class PveraConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("PveraConfig", "PVERA")
          .numberedTargets()
          .integer("r", 256, 1)
          .integer("projection_prng_key", 0, Integer.MIN_VALUE)
          .flag("save_projection", true)
          .dropout("pvera_dropout", 0)
          .number("d_initial", 0.1)
          .flag("fan_in_fan_out", false)
          .bias()
          .flag("init_weights", true)
          .flag("sample_at_inference", false)
          .optionalInteger("generator_seed", Integer.MIN_VALUE)
          .build();

  private PveraConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static PveraConfig of(Map<String, ? extends @Nullable Object> values) {
    return new PveraConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public PveraConfig with(String field, @Nullable Object value) {
    return new PveraConfig(SCHEMA.check(fields().with(field, value)));
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
  public double pveraDropout() {
    return fields().number("pvera_dropout");
  }

  /** What the inner vector starts as. */
  public double dInitial() {
    return fields().number("d_initial");
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Whether features are drawn in evaluation too. */
  public boolean sampleAtInference() {
    return fields().flag("sample_at_inference");
  }

  /** Seed of the drawn features; empty for the common random state. */
  public OptionalInt generatorSeed() {
    return fields().get("generator_seed") == null
        ? OptionalInt.empty()
        : OptionalInt.of(fields().integer("generator_seed"));
  }

  /** Collects the fields of a {@link PveraConfig}. */
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
    public Builder pveraDropout(double value) {
      return set("pvera_dropout", value);
    }

    /** What the inner vector starts as; 0.1. */
    public Builder dInitial(double value) {
      return set("d_initial", value);
    }

    /** Whether weights are stored transposed, as in GPT-2; corrected automatically. */
    public Builder fanInFanOut(boolean value) {
      return set("fan_in_fan_out", value);
    }

    /** Whether the adapter starts without effect; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** Whether features are drawn in evaluation too; false. */
    public Builder sampleAtInference(boolean value) {
      return set("sample_at_inference", value);
    }

    /** Seed of the drawn features; the common random state. */
    public Builder generatorSeed(int value) {
      return set("generator_seed", value);
    }

    /** Which biases of the base are trained: none, all or pvera_only; none. */
    public Builder bias(String value) {
      return set("bias", value);
    }

    /** The config, checked. */
    public PveraConfig build() {
      return of(values());
    }
  }
}
