package org.peftjava.peft.tuner.lora;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;

/**
 * Options of Arrow, arXiv:2405.11157: each token is routed to the LoRA adapters that fit it best;
 * and of GenKnowSub, which takes general knowledge out of them first. Reference: PEFT {@code
 * tuners/lora/config.py::ArrowConfig}.
 */
public final class ArrowConfig extends LoraSubConfig {
  private static final Map<String, @Nullable Object> DEFAULTS = defaults();

  private ArrowConfig(ConfigFields fields) {
    super(fields);
    if (topK() < 1) {
      throw fields.invalid("top_k", "must be 1 or more");
    }
    if (!(routerTemperature() > 0)) {
      throw fields.invalid("router_temperature", "must be above 0");
    }
    useGks();
    taskAdapterNames();
    gksAdapterNames();
    rngSeed();
  }

  private static Map<String, @Nullable Object> defaults() {
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    values.put("top_k", 3);
    values.put("router_temperature", 1.0);
    values.put("use_gks", false);
    values.put("task_adapter_names", null);
    values.put("gks_adapter_names", null);
    values.put("rng_seed", null);
    return values;
  }

  /** The options with these values of {@code arrow_config}; absent ones have Python's defaults. */
  public static ArrowConfig of(Map<String, ? extends @Nullable Object> values) {
    return new ArrowConfig(ConfigFields.of("ArrowConfig", DEFAULTS, values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** How many adapters a token gets. */
  public int topK() {
    return fields().integer("top_k");
  }

  /** Temperature of the shares of these. */
  public double routerTemperature() {
    return fields().number("router_temperature");
  }

  /** Whether the mean of the general adapters is taken out of the others. */
  public boolean useGks() {
    return fields().flag("use_gks");
  }

  /** The adapters that tokens are routed to, as they are called in the model. */
  public List<String> taskAdapterNames() {
    return fields().texts("task_adapter_names").orElse(List.of());
  }

  /** The general adapters. */
  public List<String> gksAdapterNames() {
    return fields().texts("gks_adapter_names").orElse(List.of());
  }

  /** Seed of the search for the direction of each adapter; if none, it is the program's. */
  public OptionalInt rngSeed() {
    return fields().get("rng_seed") == null
        ? OptionalInt.empty()
        : OptionalInt.of(fields().integer("rng_seed"));
  }

  /** The same with the names of a model's adapters. */
  ArrowConfig named(List<String> tasks, List<String> general) {
    return new ArrowConfig(
        fields().with("task_adapter_names", tasks).with("gks_adapter_names", general));
  }

  /** Collects options. Each method is the Python field of the same name. */
  public static final class Builder extends LoraSubConfig.Builder<Builder> {
    private Builder() {}

    @Override
    Builder self() {
      return this;
    }

    /** How many adapters a token gets; 3. */
    public Builder topK(int value) {
      return set("top_k", value);
    }

    /** Temperature of the shares of these; 1.0. */
    public Builder routerTemperature(double value) {
      return set("router_temperature", value);
    }

    /** Whether the mean of the general adapters is taken out of the others; false. */
    public Builder useGks(boolean value) {
      return set("use_gks", value);
    }

    /** Seed of the search for the direction of each adapter; null. */
    public Builder rngSeed(int value) {
      return set("rng_seed", value);
    }

    /** The options, checked. */
    public ArrowConfig build() {
      return of(values());
    }
  }
}
