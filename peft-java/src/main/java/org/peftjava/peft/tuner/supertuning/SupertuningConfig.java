package org.peftjava.peft.tuner.supertuning;

import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.TargetConfigBuilder;

/**
 * The configuration of Super-Tuning, and with a rank of Supra. Paper: arXiv:2607.09287. Reference:
 * PEFT {@code tuners/supertuning/config.py::SupertuningConfig}.
 */
public final class SupertuningConfig extends LayerTunerConfig {
  private static final String SPARSITY = "sparsity";
  private static final String RANK = "r";
  private static final String ALPHA = "lora_alpha";

  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("SupertuningConfig", "SUPERTUNING")
          .targets()
          .number(SPARSITY, 0.99)
          .flag("select_top", true)
          .optionalInteger(RANK, 1)
          .field(ALPHA, null)
          .dropout("lora_dropout", 0)
          .flag("init_weights", true)
          .flag("save_precomputed_indices", true)
          .rule(SupertuningConfig::checkSparsity)
          .rule(SupertuningConfig::checkAlpha)
          .build();

  private SupertuningConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static SupertuningConfig of(Map<String, ? extends @Nullable Object> values) {
    return new SupertuningConfig(completed(SCHEMA.read(values)));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public SupertuningConfig with(String field, @Nullable Object value) {
    return new SupertuningConfig(completed(SCHEMA.check(fields().with(field, value))));
  }

  /** A rank without an alpha has twice the rank. */
  private static ConfigFields completed(ConfigFields fields) {
    return fields.get(RANK) != null && fields.get(ALPHA) == null
        ? fields.with(ALPHA, 2L * fields.integer(RANK))
        : fields;
  }

  private static void checkSparsity(ConfigFields fields) {
    double value = fields.number(SPARSITY);
    if (!(value >= 0 && value < 1)) {
      throw fields.invalid(SPARSITY, "must be in [0, 1)");
    }
  }

  private static void checkAlpha(ConfigFields fields) {
    if (fields.get(ALPHA) != null) {
      fields.number(ALPHA);
      if (fields.get(RANK) == null) {
        throw fields.invalid(
            ALPHA, "needs a rank r, which makes it Supra; without one leave it out");
      }
    }
  }

  /** The share of a weight that is not trained. */
  public double sparsity() {
    return fields().number(SPARSITY);
  }

  /** Whether the largest elements are trained, not the smallest. */
  public boolean selectTop() {
    return fields().flag("select_top");
  }

  /** Rank of the matrices that are trained besides; empty for none. */
  public OptionalInt r() {
    return fields().get(RANK) == null
        ? OptionalInt.empty()
        : OptionalInt.of(fields().integer(RANK));
  }

  /** Strength of those matrices, to be divided by the rank; only with a rank. */
  public double loraAlpha() {
    return fields().number(ALPHA);
  }

  /** Probability of dropping an element of their input in training. */
  public double loraDropout() {
    return fields().number("lora_dropout");
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Whether files hold which elements are trained. */
  public boolean savePrecomputedIndices() {
    return fields().flag("save_precomputed_indices");
  }

  /** Collects the fields of a {@link SupertuningConfig}. */
  public static final class Builder extends TargetConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** The share of a weight that is not trained, in [0, 1); 0.99. */
    public Builder sparsity(double value) {
      return set(SPARSITY, value);
    }

    /** Whether the largest elements are trained, not the smallest; true. */
    public Builder selectTop(boolean value) {
      return set("select_top", value);
    }

    /** Rank of two matrices that are trained besides, as LoRA's (Supra); none. */
    public Builder r(int value) {
      return set(RANK, value);
    }

    /** Strength of those matrices, which is divided by the rank; twice the rank. */
    public Builder loraAlpha(double value) {
      return set(ALPHA, value);
    }

    /** Probability of dropping an element of their input in training; 0. */
    public Builder loraDropout(double value) {
      return set("lora_dropout", value);
    }

    /** Whether the adapter starts without effect; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /**
     * Whether files hold which elements are trained; true. Else they are found again in the base
     * model, which must be the same to the last bit.
     */
    public Builder savePrecomputedIndices(boolean value) {
      return set("save_precomputed_indices", value);
    }

    /** The config, checked. */
    public SupertuningConfig build() {
      return of(values());
    }
  }
}
