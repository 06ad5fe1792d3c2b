package org.peftjava.it.ssf;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.NumberedConfigBuilder;

/** The configuration of {@link SsfMethod}. */
public final class SsfConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("SsfConfig", "SSF").numberedTargets().flag("shift", true).build();

  private SsfConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json. */
  public static SsfConfig of(Map<String, ? extends @Nullable Object> values) {
    return new SsfConfig(SCHEMA.read(values));
  }

  /** A builder with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  @Override
  public SsfConfig with(String field, @Nullable Object value) {
    return new SsfConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Whether outputs are shifted, not only scaled. */
  public boolean shift() {
    return fields().flag("shift");
  }

  /** Collects the fields of an {@link SsfConfig}. */
  public static final class Builder extends NumberedConfigBuilder<Builder> {
    private Builder() {
      super(Map.of());
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Whether outputs are shifted, not only scaled; true. */
    public Builder shift(boolean value) {
      return set("shift", value);
    }

    /** The config, checked. */
    public SsfConfig build() {
      return of(values());
    }
  }
}
