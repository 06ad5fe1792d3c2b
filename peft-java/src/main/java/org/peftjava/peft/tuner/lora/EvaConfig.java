package org.peftjava.peft.tuner.lora;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;

/**
 * Options of the initialization "eva", arXiv:2410.07170. Reference: PEFT {@code
 * tuners/lora/config.py::EvaConfig}.
 */
public final class EvaConfig extends LoraSubConfig {
  private static final Map<String, @Nullable Object> DEFAULTS = defaults();

  private EvaConfig(ConfigFields fields) {
    super(fields);
    if (!(rho() >= 1)) {
      throw fields.invalid("rho", "must be 1 or more");
    }
    if (!(tau() >= 0 && tau() <= 1)) {
      throw fields.invalid("tau", "must be in [0, 1]");
    }
    labelMaskValue();
    for (String flag : new String[] {"use_label_mask", "whiten", "adjust_scaling_factors"}) {
      fields.flag(flag);
    }
  }

  private static Map<String, @Nullable Object> defaults() {
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    values.put("rho", 2.0);
    values.put("tau", 0.99);
    values.put("use_label_mask", true);
    values.put("label_mask_value", -100);
    values.put("whiten", false);
    values.put("adjust_scaling_factors", true);
    return values;
  }

  /** The options with these values of {@code eva_config}; absent ones have Python's defaults. */
  public static EvaConfig of(Map<String, ? extends @Nullable Object> values) {
    return new EvaConfig(ConfigFields.of("EvaConfig", DEFAULTS, values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** The most ranks that a layer can get, as a multiple of r. */
  public double rho() {
    return fields().number("rho");
  }

  /** How alike components of two steps must be, as a cosine, to count as found. */
  public double tau() {
    return fields().number("tau");
  }

  /** Whether only tokens with a label count. */
  public boolean useLabelMask() {
    return fields().flag("use_label_mask");
  }

  /** The label of tokens that do not count. */
  public int labelMaskValue() {
    return fields().integer("label_mask_value");
  }

  /** Whether components are divided by the root of their singular value. */
  public boolean whiten() {
    return fields().flag("whiten");
  }

  /** Whether alpha of a layer changes with its rank, so that the scaling stays. */
  public boolean adjustScalingFactors() {
    return fields().flag("adjust_scaling_factors");
  }

  /** Collects options. Each method is the Python field of the same name. */
  public static final class Builder extends LoraSubConfig.Builder<Builder> {
    private Builder() {}

    @Override
    Builder self() {
      return this;
    }

    /** The most ranks that a layer can get, as a multiple of r; 2. */
    public Builder rho(double value) {
      return set("rho", value);
    }

    /** How alike components of two steps must be, as a cosine, to count as found; 0.99. */
    public Builder tau(double value) {
      return set("tau", value);
    }

    /** Whether only tokens with a label count; true. */
    public Builder useLabelMask(boolean value) {
      return set("use_label_mask", value);
    }

    /** The label of tokens that do not count; -100. */
    public Builder labelMaskValue(int value) {
      return set("label_mask_value", value);
    }

    /** Whether components are divided by the root of their singular value; false. */
    public Builder whiten(boolean value) {
      return set("whiten", value);
    }

    /** Whether alpha of a layer changes with its rank, so that the scaling stays; true. */
    public Builder adjustScalingFactors(boolean value) {
      return set("adjust_scaling_factors", value);
    }

    /** The options, checked. */
    public EvaConfig build() {
      return of(values());
    }
  }
}
