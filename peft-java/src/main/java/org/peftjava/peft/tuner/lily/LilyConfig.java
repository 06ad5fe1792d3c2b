package org.peftjava.peft.tuner.lily;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerConfigBuilder;
import org.peftjava.peft.tuner.LayerTunerConfig;

/**
 * The configuration of Lily. Paper: arXiv:2407.09946. Reference: PEFT {@code
 * tuners/lily/config.py::LilyConfig}.
 */
public final class LilyConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("LilyConfig", "LILY")
          .layerTargets()
          .integer("r", 32, 1)
          .integer("stride_A", 1, 1)
          .integer("num_B", 2, 2)
          .number("scaling", 1)
          .flag("init_weights", true)
          .build();

  private LilyConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static LilyConfig of(Map<String, ? extends @Nullable Object> values) {
    return new LilyConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public LilyConfig with(String field, @Nullable Object value) {
    return new LilyConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Rank of the update. */
  public int r() {
    return fields().integer("r");
  }

  /** How many layers of one kind that follow each other share a matrix A. */
  public int strideA() {
    return fields().integer("stride_A");
  }

  /** Number of the matrices B that all layers of one kind share and each mixes. */
  public int numB() {
    return fields().integer("num_B");
  }

  /** Factor of the update. */
  public double scaling() {
    return fields().number("scaling");
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Collects the fields of a {@link LilyConfig}. */
  public static final class Builder extends LayerConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Rank of the update; 32. */
    public Builder r(int value) {
      return set("r", value);
    }

    /** How many layers of one kind that follow each other share a matrix A; 1. */
    public Builder strideA(int value) {
      return set("stride_A", value);
    }

    /** Number of the matrices B that all layers of one kind share, 2 or more; 2. */
    public Builder numB(int value) {
      return set("num_B", value);
    }

    /** Factor of the update; 1. */
    public Builder scaling(double value) {
      return set("scaling", value);
    }

    /** Whether the adapter starts without effect; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** The config, checked. */
    public LilyConfig build() {
      return of(values());
    }
  }
}
