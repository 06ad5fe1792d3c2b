package org.peftjava.peft.tuner.lora;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;

/**
 * Options of VeLoRA, arXiv:2405.17991: a LoRA that keeps a few numbers of its input for the
 * backward pass, not all of it. Reference: PEFT {@code tuners/lora/config.py::VeloraConfig}.
 */
public final class VeloraConfig extends LoraSubConfig {
  private static final List<String> TYPES =
      List.of("batch_average", "batch_average_once", "random");
  private static final Map<String, @Nullable Object> DEFAULTS = defaults();

  private VeloraConfig(ConfigFields fields) {
    super(fields);
    if (numGroups() < 1) {
      throw fields.invalid("num_groups", "must be 1 or more");
    }
    if (!(scale() > 0)) {
      throw fields.invalid("scale", "must be above 0");
    }
    if (!TYPES.contains(initType())) {
      throw fields.invalid("init_type", "must be one of " + String.join(", ", TYPES));
    }
  }

  private static Map<String, @Nullable Object> defaults() {
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    values.put("num_groups", 64);
    values.put("scale", 1.0);
    values.put("init_type", "batch_average");
    return values;
  }

  /** The options with these values of {@code velora_config}; absent ones have Python's defaults. */
  public static VeloraConfig of(Map<String, ? extends @Nullable Object> values) {
    return new VeloraConfig(ConfigFields.of("VeloraConfig", DEFAULTS, values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** How many numbers of each token are kept. */
  public int numGroups() {
    return fields().integer("num_groups");
  }

  /** What the input that is made of them again is multiplied by. */
  public double scale() {
    return fields().number("scale");
  }

  /**
   * Where the direction that they are measured along comes from: batch_average, batch_average_once
   * or random.
   */
  public String initType() {
    return fields().text("init_type").orElse("");
  }

  /** Collects options. Each method is the Python field of the same name. */
  public static final class Builder extends LoraSubConfig.Builder<Builder> {
    private Builder() {}

    @Override
    Builder self() {
      return this;
    }

    /** How many numbers of each token are kept; 64. */
    public Builder numGroups(int value) {
      return set("num_groups", value);
    }

    /** What the input that is made of them again is multiplied by; 1.0. */
    public Builder scale(double value) {
      return set("scale", value);
    }

    /**
     * Where the direction that they are measured along comes from: batch_average,
     * batch_average_once or random; batch_average.
     */
    public Builder initType(String value) {
      return set("init_type", value);
    }

    /** The options, checked. */
    public VeloraConfig build() {
      return of(values());
    }
  }
}
