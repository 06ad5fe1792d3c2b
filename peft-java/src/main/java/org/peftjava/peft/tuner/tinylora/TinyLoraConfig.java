package org.peftjava.peft.tuner.tinylora;

import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.NumberedConfigBuilder;

/**
 * The configuration of TinyLoRA. Paper: arXiv:2602.04118. Reference: PEFT {@code
 * tuners/tinylora/config.py::TinyLoraConfig}.
 */
public final class TinyLoraConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("TinyLoraConfig", "TINYLORA")
          .numberedTargets()
          .integer("r", 2, 1)
          .integer("u", 64, 1)
          .number("weight_tying", 0)
          .integer("projection_seed", 42, Integer.MIN_VALUE)
          .flag("save_projection", true)
          .number("init_v_bound", 0.02)
          .dropout("tinylora_dropout", 0)
          .flag("fan_in_fan_out", false)
          .bias()
          .flagOr("init_weights", true, "uniform")
          .rule(TinyLoraConfig::checkTying)
          .build();

  private TinyLoraConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static TinyLoraConfig of(Map<String, ? extends @Nullable Object> values) {
    return new TinyLoraConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  private static void checkTying(ConfigFields fields) {
    double value = fields.number("weight_tying");
    if (!(value >= 0 && value <= 1)) {
      throw fields.invalid("weight_tying", "must be in [0, 1]");
    }
  }

  @Override
  public TinyLoraConfig with(String field, @Nullable Object value) {
    return new TinyLoraConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Number of singular directions. */
  public int r() {
    return fields().integer("r");
  }

  /** Length of the trained vectors. */
  public int u() {
    return fields().integer("u");
  }

  /** How far layers share a vector: 0 not at all, 1 all of them one. */
  public double weightTying() {
    return fields().number("weight_tying");
  }

  /** Seed of the random projections; the n-th layer draws from the n-th seed after it. */
  public int projectionSeed() {
    return fields().integer("projection_seed");
  }

  /** Whether files hold the random projections, which are otherwise drawn again. */
  public boolean saveProjection() {
    return fields().flag("save_projection");
  }

  /** With "uniform", vectors start uniform within this bound. */
  public double initVBound() {
    return fields().number("init_v_bound");
  }

  /** Probability with which elements of the input are dropped in training. */
  public double tinyloraDropout() {
    return fields().number("tinylora_dropout");
  }

  /** True, false or "uniform". */
  public Object initWeights() {
    return Objects.requireNonNull(fields().get("init_weights"));
  }

  /** Collects the fields of a {@link TinyLoraConfig}. */
  public static final class Builder extends NumberedConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Number of singular directions; 2. */
    public Builder r(int value) {
      return set("r", value);
    }

    /** Length of the trained vectors; 64. */
    public Builder u(int value) {
      return set("u", value);
    }

    /** How far layers share a vector, in [0, 1]: 0 not at all, 1 all of them one; 0. */
    public Builder weightTying(double value) {
      return set("weight_tying", value);
    }

    /** Seed of the random projections; 42. */
    public Builder projectionSeed(int value) {
      return set("projection_seed", value);
    }

    /** Whether files hold the random projections; else they are drawn again; true. */
    public Builder saveProjection(boolean value) {
      return set("save_projection", value);
    }

    /** With initWeights("uniform"), vectors start uniform within this bound; 0.02. */
    public Builder initVBound(double value) {
      return set("init_v_bound", value);
    }

    /** Probability of dropping an element of the input in training; 0. */
    public Builder tinyloraDropout(double value) {
      return set("tinylora_dropout", value);
    }

    /** Whether weights are stored transposed, as in GPT-2; corrected automatically. */
    public Builder fanInFanOut(boolean value) {
      return set("fan_in_fan_out", value);
    }

    /** Which biases of the base are trained: none, all or tinylora_only; none. */
    public Builder bias(String value) {
      return set("bias", value);
    }

    /** Whether the adapter starts without effect; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** How vectors start: "uniform", within initVBound. */
    public Builder initWeights(String value) {
      return set("init_weights", value);
    }

    /** The config, checked. */
    public TinyLoraConfig build() {
      return of(values());
    }
  }
}
