package org.peftjava.peft.tuner.peanut;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerConfigBuilder;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.torch.nn.Activation;

/** The configuration of PEANuT. Reference: PEFT {@code tuners/peanut/config.py::PeanutConfig}. */
public final class PeanutConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("PeanutConfig", "PEANUT")
          .layerTargets()
          .integer("r", 32, 1)
          .integer("depth", 0, 0)
          .text("act_fn", "relu")
          .number("scaling", 1)
          .flag("init_weights", true)
          .rule(PeanutConfig::checkActivation)
          .build();

  private PeanutConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static PeanutConfig of(Map<String, ? extends @Nullable Object> values) {
    return new PeanutConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  private static void checkActivation(ConfigFields fields) {
    Activation.of(fields.text("act_fn").orElse(""), "PeanutConfig: actFn");
  }

  @Override
  public PeanutConfig with(String field, @Nullable Object value) {
    return new PeanutConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Width of the hidden layers. */
  public int r() {
    return fields().integer("r");
  }

  /** Pairs of hidden layers between the first and the last. */
  public int depth() {
    return fields().integer("depth");
  }

  /** The nonlinearity, by its name in transformers. */
  public String actFn() {
    return fields().text("act_fn").orElseThrow();
  }

  /** Factor of the update. */
  public double scaling() {
    return fields().number("scaling");
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Collects the fields of a {@link PeanutConfig}. */
  public static final class Builder extends LayerConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Width of the hidden layers; 32. */
    public Builder r(int value) {
      return set("r", value);
    }

    /** Pairs of hidden layers between the first and the last; 0. */
    public Builder depth(int value) {
      return set("depth", value);
    }

    /** The nonlinearity, by its name in transformers, such as gelu, silu or tanh; relu. */
    public Builder actFn(String value) {
      return set("act_fn", value);
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
    public PeanutConfig build() {
      return of(values());
    }
  }
}
