package org.peftjava.peft.tuner.beft;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.TargetConfigBuilder;

/** The configuration of BEFT. Reference: PEFT {@code tuners/beft/config.py::BeftConfig}. */
public final class BeftConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("BeftConfig", "BEFT").targets().flag("init_weights", true).build();

  private BeftConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static BeftConfig of(Map<String, ? extends @Nullable Object> values) {
    return new BeftConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public BeftConfig with(String field, @Nullable Object value) {
    return new BeftConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Collects the fields of a {@link BeftConfig}. */
  public static final class Builder extends TargetConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Whether the adapter starts without effect; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** The config, checked. */
    public BeftConfig build() {
      return of(values());
    }
  }
}
