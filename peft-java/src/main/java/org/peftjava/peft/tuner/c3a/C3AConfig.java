package org.peftjava.peft.tuner.c3a;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.NumberedConfigBuilder;

/** The configuration of C3A. Reference: PEFT {@code tuners/c3a/config.py::C3AConfig}. */
public final class C3AConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("C3AConfig", "C3A")
          .numberedTargets()
          .bias()
          .integer("block_size", 256, 1)
          .counts("block_size_pattern")
          .field("init_weights", "xavier_uniform")
          .rule(C3AInit::of)
          .build();

  private C3AConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static C3AConfig of(Map<String, ? extends @Nullable Object> values) {
    return new C3AConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public C3AConfig with(String field, @Nullable Object value) {
    return new C3AConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Size of the circulant blocks, a divisor of both sizes of a layer. */
  public int blockSize() {
    return fields().integer("block_size");
  }

  /** Collects the fields of a {@link C3AConfig}. */
  public static final class Builder extends NumberedConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Size of the circulant blocks, a divisor of both sizes of a layer; 256. */
    public Builder blockSize(int value) {
      return set("block_size", value);
    }

    /** Block sizes for modules whose path ends with a match of the pattern. */
    public Builder blockSizePattern(Map<String, ? extends Number> value) {
      return set("block_size_pattern", value);
    }

    /** True: no effect at the start. False: as xavier_uniform. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** How the kernels start: gaussian, kaiming_uniform or xavier_uniform; xavier_uniform. */
    public Builder initWeights(String value) {
      return set("init_weights", value);
    }

    /** Which biases of the base are trained with the adapter: none, all or c3a_only; none. */
    public Builder bias(String value) {
      return set("bias", value);
    }

    /** The config, checked. */
    public C3AConfig build() {
      return of(values());
    }
  }
}
