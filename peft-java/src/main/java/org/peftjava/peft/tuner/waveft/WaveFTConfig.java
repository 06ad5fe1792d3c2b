package org.peftjava.peft.tuner.waveft;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerConfigBuilder;
import org.peftjava.peft.tuner.LayerTunerConfig;

/** The configuration of WaveFT. Reference: PEFT {@code tuners/waveft/config.py::WaveFTConfig}. */
public final class WaveFTConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("WaveFTConfig", "WAVEFT")
          .layerTargets()
          .integer("n_frequency", 2592, 1)
          .number("scaling", 25)
          .text("wavelet_family", "db1")
          .flag("use_idwt", true)
          .integer("random_loc_seed", 777, 0)
          .flag("fan_in_fan_out", false)
          .counts("n_frequency_pattern")
          .flag("proportional_parameters", false)
          .flag("init_weights", true)
          .bias()
          .rule(WaveFTConfig::checkFamily)
          .build();

  private WaveFTConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static WaveFTConfig of(Map<String, ? extends @Nullable Object> values) {
    return new WaveFTConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  private static void checkFamily(ConfigFields fields) {
    if (!Wavelet.families().contains(fields.text("wavelet_family").orElse(""))) {
      throw fields.invalid(
          "wavelet_family", "must be db1 to db10, sym2 to sym10 or coif1 to coif4");
    }
  }

  @Override
  public WaveFTConfig with(String field, @Nullable Object value) {
    return new WaveFTConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Trained wavelet coefficients of a layer. */
  public int nFrequency() {
    return fields().integer("n_frequency");
  }

  /** Factor of the update. */
  public double scaling() {
    return fields().number("scaling");
  }

  /** The wavelet, such as "db1" or "sym4". */
  public String waveletFamily() {
    return fields().text("wavelet_family").orElseThrow();
  }

  /** Whether the coefficients are those of wavelets, not of the weight itself. */
  public boolean useIdwt() {
    return fields().flag("use_idwt");
  }

  /** Seed that chooses the coefficients. */
  public int randomLocSeed() {
    return fields().integer("random_loc_seed");
  }

  /** Whether larger layers get more coefficients, nFrequency on average. */
  public boolean proportionalParameters() {
    return fields().flag("proportional_parameters");
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Collects the fields of a {@link WaveFTConfig}. */
  public static final class Builder extends LayerConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Trained wavelet coefficients of a layer; 2592. */
    public Builder nFrequency(int value) {
      return set("n_frequency", value);
    }

    /** Factor of the update; 25. */
    public Builder scaling(double value) {
      return set("scaling", value);
    }

    /** The wavelet: db1 to db10, sym2 to sym10 or coif1 to coif4; db1. */
    public Builder waveletFamily(String value) {
      return set("wavelet_family", value);
    }

    /**
     * Whether the coefficients are those of wavelets; if not, they are elements of the update;
     * true.
     */
    public Builder useIdwt(boolean value) {
      return set("use_idwt", value);
    }

    /** Seed that chooses the coefficients; 777. */
    public Builder randomLocSeed(int value) {
      return set("random_loc_seed", value);
    }

    /** Whether weights are stored transposed, as in GPT-2; corrected automatically. */
    public Builder fanInFanOut(boolean value) {
      return set("fan_in_fan_out", value);
    }

    /** Numbers of coefficients for modules whose path ends with a match of the pattern. */
    public Builder nFrequencyPattern(Map<String, ? extends Number> value) {
      return set("n_frequency_pattern", value);
    }

    /** Whether larger layers get more coefficients, nFrequency on average; false. */
    public Builder proportionalParameters(boolean value) {
      return set("proportional_parameters", value);
    }

    /** Whether the adapter starts without effect; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** Which biases of the base are trained with the adapter: none, all or waveft_only; none. */
    public Builder bias(String value) {
      return set("bias", value);
    }

    /** The config, checked. */
    public WaveFTConfig build() {
      return of(values());
    }
  }
}
