package org.peftjava.peft.tuner.road;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.TargetConfigBuilder;

/** The configuration of RoAd. Reference: PEFT {@code tuners/road/config.py::RoadConfig}. */
public final class RoadConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("RoadConfig", "ROAD")
          .targets()
          .oneOf("variant", "road_1", "road_1", "road_2", "road_4")
          .integer("group_size", 64, 2)
          .flag("init_weights", true)
          .rule(RoadConfig::checkGroup)
          .build();

  private RoadConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static RoadConfig of(Map<String, ? extends @Nullable Object> values) {
    return new RoadConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  private static void checkGroup(ConfigFields fields) {
    if (fields.integer("group_size") % 2 != 0) {
      throw fields.invalid("group_size", "must be even, because its halves are paired");
    }
  }

  @Override
  public RoadConfig with(String field, @Nullable Object value) {
    return new RoadConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** How many angles and scales there are for a pair. */
  public String variant() {
    return fields().text("variant").orElseThrow();
  }

  /** Outputs in a group, whose halves are paired. */
  public int groupSize() {
    return fields().integer("group_size");
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Collects the fields of a {@link RoadConfig}. */
  public static final class Builder extends TargetConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** How many angles and scales there are for a pair: road_1, road_2 or road_4; road_1. */
    public Builder variant(String value) {
      return set("variant", value);
    }

    /** Outputs in a group, whose halves are paired; 64. */
    public Builder groupSize(int value) {
      return set("group_size", value);
    }

    /** Whether the adapter starts without effect; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** The config, checked. */
    public RoadConfig build() {
      return of(values());
    }
  }
}
