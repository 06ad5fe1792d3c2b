package org.peftjava.peft.tuner.ia3;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.ModuleConfigBuilder;
import org.peftjava.peft.tuner.TargetModules;

/** The configuration of IA3. Reference: PEFT {@code tuners/ia3/config.py::IA3Config}. */
public final class IA3Config extends LayerTunerConfig {
  static final String FEEDFORWARD = "feedforward_modules";

  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("IA3Config", "IA3")
          .moduleTargets()
          .field(FEEDFORWARD, null)
          .flag("fan_in_fan_out", false)
          .flag("init_ia3_weights", true)
          .rule(IA3Config::checkFeedforward)
          .build();

  private IA3Config(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static IA3Config of(Map<String, ? extends @Nullable Object> values) {
    return new IA3Config(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  private static void checkFeedforward(ConfigFields fields) {
    TargetModules feedforward = TargetModules.ofField(fields, FEEDFORWARD);
    if (feedforward instanceof TargetModules.Names names
        && TargetModules.ofField(fields, "target_modules") instanceof TargetModules.Names targets
        && !names.names().stream().allMatch(name -> isAmong(targets.names(), name))) {
      throw fields.invalid(FEEDFORWARD, "must be among targetModules " + targets.names());
    }
  }

  /** Also the end of one: "all-linear" becomes the paths of all layers. */
  private static boolean isAmong(List<String> targets, String name) {
    return targets.stream().anyMatch(target -> ("." + target).endsWith("." + name));
  }

  @Override
  public IA3Config with(String field, @Nullable Object value) {
    return new IA3Config(SCHEMA.check(fields().with(field, value)));
  }

  /** The targeted modules whose input is scaled instead of their output. */
  public TargetModules feedforwardModules() {
    return TargetModules.ofField(fields(), FEEDFORWARD);
  }

  /** Whether the vectors start as ones, so that nothing changes; else they are random. */
  public boolean initIa3Weights() {
    return fields().flag("init_ia3_weights");
  }

  /** Collects the fields of an {@link IA3Config}. */
  public static final class Builder extends ModuleConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** The targeted modules whose input is scaled, by name; the architecture's default. */
    public Builder feedforwardModules(String... value) {
      return set(FEEDFORWARD, List.of(value));
    }

    /** The targeted modules whose input is scaled; the architecture's default. */
    public Builder feedforwardModules(TargetModules value) {
      return set(FEEDFORWARD, value.toField());
    }

    /** Whether weights are stored transposed, as in GPT-2; corrected automatically. */
    public Builder fanInFanOut(boolean value) {
      return set("fan_in_fan_out", value);
    }

    /** Whether the vectors start as ones; true. */
    public Builder initIa3Weights(boolean value) {
      return set("init_ia3_weights", value);
    }

    /** The config, checked. */
    public IA3Config build() {
      return of(values());
    }
  }
}
