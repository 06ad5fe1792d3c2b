package org.peftjava.peft.tuner.lora;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;

/**
 * Options of KaSA, arXiv:2412.06071: a LoRA with a trained factor for each rank, over a weight that
 * has lost its smallest singular values. Reference: PEFT {@code tuners/lora/config.py::KasaConfig}.
 *
 * <p>The weight stays changed when the adapter is switched off or taken away: keep the original.
 */
public final class KasaConfig extends LoraSubConfig {
  private static final Map<String, @Nullable Object> DEFAULTS = defaults();

  private KasaConfig(ConfigFields fields) {
    super(fields);
    for (String field : new String[] {"beta", "gamma"}) {
      if (!(fields.number(field) >= 0)) {
        throw fields.invalid(field, "must be 0 or more");
      }
    }
  }

  private static Map<String, @Nullable Object> defaults() {
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    values.put("beta", 1e-4);
    values.put("gamma", 1e-3);
    return values;
  }

  /** The options with these values of {@code kasa_config}; absent ones have Python's defaults. */
  public static KasaConfig of(Map<String, ? extends @Nullable Object> values) {
    return new KasaConfig(ConfigFields.of("KasaConfig", DEFAULTS, values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** How much the squares of the factors cost in training. */
  public double beta() {
    return fields().number("beta");
  }

  /** How much it costs in training that the columns of B and the rows of A are not orthonormal. */
  public double gamma() {
    return fields().number("gamma");
  }

  /** Collects options. Each method is the Python field of the same name. */
  public static final class Builder extends LoraSubConfig.Builder<Builder> {
    private Builder() {}

    @Override
    Builder self() {
      return this;
    }

    /** How much the squares of the factors cost in training; 1e-4. */
    public Builder beta(double value) {
      return set("beta", value);
    }

    /**
     * How much it costs in training that the columns of B and the rows of A are not orthonormal;
     * 1e-3.
     */
    public Builder gamma(double value) {
      return set("gamma", value);
    }

    /** The options, checked. */
    public KasaConfig build() {
      return of(values());
    }
  }
}
