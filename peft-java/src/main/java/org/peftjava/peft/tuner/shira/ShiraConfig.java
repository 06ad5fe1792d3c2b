package org.peftjava.peft.tuner.shira;

import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.TargetConfigBuilder;

/** The configuration of SHiRA. Reference: PEFT {@code tuners/shira/config.py::ShiraConfig}. */
public final class ShiraConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("ShiraConfig", "SHIRA")
          .targets()
          .integer("r", 32, 1)
          .text("mask_type", "random")
          .optionalInteger("random_seed", 0)
          .flag("fan_in_fan_out", false)
          .flag("init_weights", true)
          .build();

  private ShiraConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static ShiraConfig of(Map<String, ? extends @Nullable Object> values) {
    return new ShiraConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public ShiraConfig with(String field, @Nullable Object value) {
    return new ShiraConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Sets the number of changed weights of a layer: r (o + d), as many as LoRA trains. */
  public int r() {
    return fields().integer("r");
  }

  /** How their places are chosen. */
  public String maskType() {
    return fields().text("mask_type").orElseThrow();
  }

  /** Seed of the random places; without one they differ from run to run. */
  public OptionalInt randomSeed() {
    return fields().get("random_seed") == null
        ? OptionalInt.empty()
        : OptionalInt.of(fields().integer("random_seed"));
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Collects the fields of a {@link ShiraConfig}. */
  public static final class Builder extends TargetConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Sets the number of changed weights of a layer, r (o + d); 32. */
    public Builder r(int value) {
      return set("r", value);
    }

    /** How their places are chosen; random. */
    public Builder maskType(String value) {
      return set("mask_type", value);
    }

    /** Seed of the random places; none. */
    public Builder randomSeed(int value) {
      return set("random_seed", value);
    }

    /** Whether weights are stored transposed, as in GPT-2; corrected automatically. */
    public Builder fanInFanOut(boolean value) {
      return set("fan_in_fan_out", value);
    }

    /** Whether the adapter starts without effect; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** The config, checked. */
    public ShiraConfig build() {
      return of(values());
    }
  }
}
