package org.peftjava.peft.tuner.hra;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerConfigBuilder;
import org.peftjava.peft.tuner.LayerTunerConfig;

/** The configuration of HRA. Reference: PEFT {@code tuners/hra/config.py::HRAConfig}. */
public final class HRAConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("HRAConfig", "HRA")
          .layerTargets()
          .integer("r", 8, 1)
          .flag("apply_GS", false)
          .flag("init_weights", true)
          .bias()
          .build();

  private HRAConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static HRAConfig of(Map<String, ? extends @Nullable Object> values) {
    return new HRAConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public HRAConfig with(String field, @Nullable Object value) {
    return new HRAConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** The number of reflections. */
  public int r() {
    return fields().integer("r");
  }

  /** Whether the vectors are made orthogonal first. */
  public boolean applyGs() {
    return fields().flag("apply_GS");
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Collects the fields of a {@link HRAConfig}. */
  public static final class Builder extends LayerConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** The number of reflections; best even; 8. */
    public Builder r(int value) {
      return set("r", value);
    }

    /** Whether the vectors are made orthogonal first (Gram-Schmidt); false. */
    public Builder applyGs(boolean value) {
      return set("apply_GS", value);
    }

    /** Whether the adapter starts without effect; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** Which biases of the base are trained: none, all or hra_only; none. */
    public Builder bias(String value) {
      return set("bias", value);
    }

    /** The config, checked. */
    public HRAConfig build() {
      return of(values());
    }
  }
}
