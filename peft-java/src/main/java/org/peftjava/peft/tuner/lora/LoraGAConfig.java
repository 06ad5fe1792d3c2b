package org.peftjava.peft.tuner.lora;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;

/**
 * Options of the initialization "lora_ga", arXiv:2407.05000. Reference: PEFT {@code
 * tuners/lora/config.py::LoraGAConfig}.
 */
public final class LoraGAConfig extends LoraSubConfig {
  private static final List<String> DIRECTIONS = List.of("ArBr", "A2rBr", "ArB2r", "random");
  private static final List<String> SCALES = List.of("stable", "weight_svd", "gd_scale", "unit");
  private static final Map<String, @Nullable Object> DEFAULTS = defaults();

  private LoraGAConfig(ConfigFields fields) {
    super(fields);
    if (!DIRECTIONS.contains(direction())) {
      throw fields.invalid("direction", "must be one of " + String.join(", ", DIRECTIONS));
    }
    if (!SCALES.contains(scale())) {
      throw fields.invalid("scale", "must be one of " + String.join(", ", SCALES));
    }
    if (stableGamma() < 1) {
      throw fields.invalid("stable_gamma", "must be 1 or more");
    }
  }

  private static Map<String, @Nullable Object> defaults() {
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    values.put("direction", "ArB2r");
    values.put("scale", "stable");
    values.put("stable_gamma", 16);
    return values;
  }

  /**
   * The options with these values of {@code lora_ga_config}; absent ones have Python's defaults.
   */
  public static LoraGAConfig of(Map<String, ? extends @Nullable Object> values) {
    return new LoraGAConfig(ConfigFields.of("LoraGAConfig", DEFAULTS, values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Which singular vectors of the gradient A and B get: ArBr, A2rBr, ArB2r or random. */
  public String direction() {
    return fields().text("direction").orElse("");
  }

  /** What they are multiplied by: stable, weight_svd, gd_scale or unit. */
  public String scale() {
    return fields().text("scale").orElse("");
  }

  /** Gamma of the scale "stable": the greater, the smaller the adapter. */
  public int stableGamma() {
    return fields().integer("stable_gamma");
  }

  /** Collects options. Each method is the Python field of the same name. */
  public static final class Builder extends LoraSubConfig.Builder<Builder> {
    private Builder() {}

    @Override
    Builder self() {
      return this;
    }

    /** Which singular vectors of the gradient A and B get: ArBr, A2rBr, ArB2r or random; ArB2r. */
    public Builder direction(String value) {
      return set("direction", value);
    }

    /** What they are multiplied by: stable, weight_svd, gd_scale or unit; stable. */
    public Builder scale(String value) {
      return set("scale", value);
    }

    /** Gamma of the scale "stable"; 16. */
    public Builder stableGamma(int value) {
      return set("stable_gamma", value);
    }

    /** The options, checked. */
    public LoraGAConfig build() {
      return of(values());
    }
  }
}
