package org.peftjava.peft.tuner.hira;

import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerConfigBuilder;
import org.peftjava.peft.tuner.LayerTunerConfig;

/**
 * The configuration of HiRA. Paper: "HiRA: Parameter-Efficient Hadamard High-Rank Adaptation", ICLR
 * 2025. Reference: PEFT {@code tuners/hira/config.py}.
 */
public final class HiraConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("HiraConfig", "HIRA")
          .layerTargets()
          .integer("r", 32, 1)
          .dropout("hira_dropout", 0)
          .flag("fan_in_fan_out", false)
          .flagOr("init_weights", true, "gaussian")
          .pattern("rank_pattern")
          .build();

  private HiraConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static HiraConfig of(Map<String, ? extends @Nullable Object> values) {
    return new HiraConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public HiraConfig with(String field, @Nullable Object value) {
    return new HiraConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Rank. */
  public int r() {
    return fields().integer("r");
  }

  /** Probability of dropping an element of the input in training. */
  public double hiraDropout() {
    return fields().number("hira_dropout");
  }

  /** True, false or "gaussian"; null, as false, leaves both matrices random. */
  public Object initWeights() {
    return Objects.requireNonNullElse(fields().get("init_weights"), false);
  }

  /** Other ranks by module name or pattern; without effect, as in Python. */
  public Map<String, Number> rankPattern() {
    return fields().numbers("rank_pattern");
  }

  /** Collects the fields of a {@link HiraConfig}. */
  public static final class Builder extends LayerConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Rank; 32. */
    public Builder r(int value) {
      return set("r", value);
    }

    /** Probability of dropping an element of the input in training; 0. */
    public Builder hiraDropout(double value) {
      return set("hira_dropout", value);
    }

    /** Whether weights are stored transposed, as in GPT-2; corrected automatically. */
    public Builder fanInFanOut(boolean value) {
      return set("fan_in_fan_out", value);
    }

    /** Other ranks by module name or pattern; without effect, as in Python. */
    public Builder rankPattern(Map<String, ? extends Number> value) {
      return set("rank_pattern", value);
    }

    /** Whether a fresh adapter changes nothing; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** How a fresh adapter starts: "gaussian", with normal numbers of deviation 1/r. */
    public Builder initWeights(String value) {
      return set("init_weights", value);
    }

    /** The config, checked. */
    public HiraConfig build() {
      return of(values());
    }
  }
}
