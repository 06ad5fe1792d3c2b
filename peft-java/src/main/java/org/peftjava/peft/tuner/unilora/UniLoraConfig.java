package org.peftjava.peft.tuner.unilora;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.NumberedConfigBuilder;

/**
 * The configuration of Uni-LoRA. Paper: arXiv:2506.00799. Reference: PEFT {@code
 * tuners/unilora/config.py::UniLoraConfig}.
 */
public final class UniLoraConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("UniLoraConfig", "UNILORA")
          .numberedTargets()
          .integer("r", 4, 1)
          .integer("proj_seed", 42, 0)
          .integer("theta_d_length", 256, 1)
          .dropout("unilora_dropout", 0)
          .flag("fan_in_fan_out", false)
          .bias()
          .number("init_theta_d_bound", 0.02)
          .flag("init_weights", true)
          .flag("save_indices", false)
          .rule(UniLoraConfig::checkBound)
          .build();

  private UniLoraConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static UniLoraConfig of(Map<String, ? extends @Nullable Object> values) {
    return new UniLoraConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  private static void checkBound(ConfigFields fields) {
    if (!(fields.number("init_theta_d_bound") > 0)) {
      throw fields.invalid("init_theta_d_bound", "must be above 0");
    }
  }

  @Override
  public UniLoraConfig with(String field, @Nullable Object value) {
    return new UniLoraConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Rank of the update. */
  public int r() {
    return fields().integer("r");
  }

  /** Seed of the places at which the numbers of the vector stand. */
  public int projSeed() {
    return fields().integer("proj_seed");
  }

  /** Length of the trained vector. */
  public int thetaDLength() {
    return fields().integer("theta_d_length");
  }

  /** Probability with which elements of the input are dropped in training. */
  public double uniloraDropout() {
    return fields().number("unilora_dropout");
  }

  /** The vector starts uniform within this bound. */
  public double initThetaDBound() {
    return fields().number("init_theta_d_bound");
  }

  /** Whether the vector starts within the bound, not with normal numbers. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Whether files hold the places, which are otherwise drawn again. */
  public boolean saveIndices() {
    return fields().flag("save_indices");
  }

  /** Collects the fields of a {@link UniLoraConfig}. */
  public static final class Builder extends NumberedConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Rank of the update; 4. */
    public Builder r(int value) {
      return set("r", value);
    }

    /** Seed of the places at which the numbers of the vector stand, 0 or more; 42. */
    public Builder projSeed(int value) {
      return set("proj_seed", value);
    }

    /** Length of the trained vector; 256. */
    public Builder thetaDLength(int value) {
      return set("theta_d_length", value);
    }

    /** Probability of dropping an element of the input in training; 0. */
    public Builder uniloraDropout(double value) {
      return set("unilora_dropout", value);
    }

    /** Whether weights are stored transposed, as in GPT-2; corrected automatically. */
    public Builder fanInFanOut(boolean value) {
      return set("fan_in_fan_out", value);
    }

    /** Which biases of the base are trained: none, all or unilora_only; none. */
    public Builder bias(String value) {
      return set("bias", value);
    }

    /** The vector starts uniform within this bound; 0.02. */
    public Builder initThetaDBound(double value) {
      return set("init_theta_d_bound", value);
    }

    /** Whether the vector starts within the bound, not with normal numbers; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** Whether files hold the places; else they are drawn again from the seed; false. */
    public Builder saveIndices(boolean value) {
      return set("save_indices", value);
    }

    /** The config, checked. */
    public UniLoraConfig build() {
      return of(values());
    }
  }
}
