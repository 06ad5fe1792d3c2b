package org.peftjava.peft.tuner.lntuning;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.ModuleConfigBuilder;

/** The configuration of LN tuning. Reference: PEFT {@code tuners/ln_tuning/config.py}. */
public final class LNTuningConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("LNTuningConfig", "LN_TUNING").moduleTargets().build();

  private LNTuningConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static LNTuningConfig of(Map<String, ? extends @Nullable Object> values) {
    return new LNTuningConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public LNTuningConfig with(String field, @Nullable Object value) {
    return new LNTuningConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Collects the fields of a {@link LNTuningConfig}. */
  public static final class Builder extends ModuleConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** The config, checked. */
    public LNTuningConfig build() {
      return of(values());
    }
  }
}
