package org.peftjava.peft.tuner.deft;

import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerConfigBuilder;
import org.peftjava.peft.tuner.LayerTunerConfig;

/** The configuration of DEFT. Reference: PEFT {@code tuners/deft/config.py}. */
public final class DeftConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("DeftConfig", "DEFT")
          .layerTargets()
          .integer("r", 8, 1)
          .oneOf("decomposition_method", "relu", "relu", "qr")
          .number("init_scale", 1)
          .optionalInteger("alpha", 1)
          .flag("para", false)
          .flag("fan_in_fan_out", false)
          .dropout("deft_dropout", 0)
          .flag("init_weights", true)
          .bias()
          .build();

  private DeftConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static DeftConfig of(Map<String, ? extends @Nullable Object> values) {
    return new DeftConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public DeftConfig with(String field, @Nullable Object value) {
    return new DeftConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Rank of what is taken out and put in. */
  public int r() {
    return fields().integer("r");
  }

  /** How the directions are made of P: relu or qr. */
  public String decompositionMethod() {
    return fields().text("decomposition_method").orElse("");
  }

  /** Deviation of a random R, in units of 0.02. */
  public double initScale() {
    return fields().number("init_scale");
  }

  /** Numerator of the scaling alpha/r of what is put in; if none, the scaling is 1. */
  public OptionalInt alpha() {
    return fields().get("alpha") == null
        ? OptionalInt.empty()
        : OptionalInt.of(fields().integer("alpha"));
  }

  /** Whether a subspace is only taken out (PaRa). */
  public boolean para() {
    return fields().flag("para");
  }

  /** Probability of dropping an element of the input of R in training. */
  public double deftDropout() {
    return fields().number("deft_dropout");
  }

  /** Whether a fresh adapter changes nothing, unless it is PaRa. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Collects the fields of a {@link DeftConfig}. */
  public static final class Builder extends LayerConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Rank of what is taken out and put in; 8. */
    public Builder r(int value) {
      return set("r", value);
    }

    /** How the directions are made of P: relu or qr; relu. */
    public Builder decompositionMethod(String value) {
      return set("decomposition_method", value);
    }

    /** Deviation of a random R, in units of 0.02; 1. */
    public Builder initScale(double value) {
      return set("init_scale", value);
    }

    /** Numerator of the scaling alpha/r of what is put in; none, for a scaling of 1. */
    public Builder alpha(int value) {
      return set("alpha", value);
    }

    /** Whether a subspace is only taken out (PaRa); false. */
    public Builder para(boolean value) {
      return set("para", value);
    }

    /** Whether weights are stored transposed, as in GPT-2; corrected automatically; false. */
    public Builder fanInFanOut(boolean value) {
      return set("fan_in_fan_out", value);
    }

    /** Probability of dropping an element of the input of R in training; 0. */
    public Builder deftDropout(double value) {
      return set("deft_dropout", value);
    }

    /** Whether a fresh adapter changes nothing, unless it is PaRa; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** Which biases of the base are trained: none, all or deft_only; none. */
    public Builder bias(String value) {
      return set("bias", value);
    }

    /** The config, checked. */
    public DeftConfig build() {
      return of(values());
    }
  }
}
