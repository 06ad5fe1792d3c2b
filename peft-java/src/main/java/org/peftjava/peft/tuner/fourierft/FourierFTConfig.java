package org.peftjava.peft.tuner.fourierft;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerConfigBuilder;
import org.peftjava.peft.tuner.LayerTunerConfig;

/**
 * The configuration of FourierFT. Reference: PEFT {@code
 * tuners/fourierft/config.py::FourierFTConfig}.
 */
public final class FourierFTConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("FourierFTConfig", "FOURIERFT")
          .layerTargets()
          .integer("n_frequency", 1000, 1)
          .number("scaling", 150)
          .integer("random_loc_seed", 777, 0)
          .flag("fan_in_fan_out", false)
          .counts("n_frequency_pattern")
          .flag("init_weights", false)
          .bias()
          .build();

  private FourierFTConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static FourierFTConfig of(Map<String, ? extends @Nullable Object> values) {
    return new FourierFTConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public FourierFTConfig with(String field, @Nullable Object value) {
    return new FourierFTConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Trained frequencies of a layer. */
  public int nFrequency() {
    return fields().integer("n_frequency");
  }

  /** Factor of the update. */
  public double scaling() {
    return fields().number("scaling");
  }

  /** Seed that chooses the frequencies. */
  public int randomLocSeed() {
    return fields().integer("random_loc_seed");
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Collects the fields of a {@link FourierFTConfig}. */
  public static final class Builder extends LayerConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Trained frequencies of a layer; 1000. */
    public Builder nFrequency(int value) {
      return set("n_frequency", value);
    }

    /** Factor of the update; 150. */
    public Builder scaling(double value) {
      return set("scaling", value);
    }

    /** Seed that chooses the frequencies; 777. */
    public Builder randomLocSeed(int value) {
      return set("random_loc_seed", value);
    }

    /** Whether weights are stored transposed, as in GPT-2; corrected automatically. */
    public Builder fanInFanOut(boolean value) {
      return set("fan_in_fan_out", value);
    }

    /** Numbers of frequencies for modules whose path ends with a match of the pattern. */
    public Builder nFrequencyPattern(Map<String, ? extends Number> value) {
      return set("n_frequency_pattern", value);
    }

    /** Whether the adapter starts without effect; false. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** Which biases of the base are trained with the adapter: none, all or fourier_only; none. */
    public Builder bias(String value) {
      return set("bias", value);
    }

    /** The config, checked. */
    public FourierFTConfig build() {
      return of(values());
    }
  }
}
