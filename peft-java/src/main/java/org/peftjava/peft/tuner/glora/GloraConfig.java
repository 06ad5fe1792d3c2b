package org.peftjava.peft.tuner.glora;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.TargetConfigBuilder;

/**
 * The configuration of GLoRA. Paper: arXiv:2306.07967. Reference: PEFT {@code
 * tuners/glora/config.py::GloraConfig}.
 */
public final class GloraConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("GloraConfig", "GLORA")
          .targets()
          .integer("r", 8, 1)
          .bias()
          .oneOf("config_A_B", "lora", "lora", "vector", "constant", "none")
          .oneOf("config_C", "lora", "lora", "vector", "none")
          .oneOf("config_D_E", "constant", "vector", "constant", "none")
          .flag("init_weights", true)
          .build();

  private GloraConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static GloraConfig of(Map<String, ? extends @Nullable Object> values) {
    return new GloraConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public GloraConfig with(String field, @Nullable Object value) {
    return new GloraConfig(SCHEMA.check(fields().with(field, value)));
  }

  private String kind(String field) {
    return fields().text(field).orElseThrow();
  }

  /** Rank of parameters of the kind "lora". */
  public int r() {
    return fields().integer("r");
  }

  /** Kind of what the weight is scaled with and shifted by. */
  public String configAB() {
    return kind("config_A_B");
  }

  /** Kind of the vector whose product with the weight is added to the bias. */
  public String configC() {
    return kind("config_C");
  }

  /** Kind of what the bias is scaled with and shifted by. */
  public String configDE() {
    return kind("config_D_E");
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Collects the fields of a {@link GloraConfig}. */
  public static final class Builder extends TargetConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Rank of parameters of the kind "lora"; 8. */
    public Builder r(int value) {
      return set("r", value);
    }

    /** Which biases of the base are trained: none, all or glora_only; none. */
    public Builder bias(String value) {
      return set("bias", value);
    }

    /**
     * What the weight is scaled with and shifted by: "lora" of rank r, "vector" with a number for
     * each output, "constant" or "none"; lora.
     */
    public Builder configAB(String value) {
      return set("config_A_B", value);
    }

    /**
     * The vector whose product with the weight is added to the bias: "lora" of rank r, "vector" or
     * "none"; lora.
     */
    public Builder configC(String value) {
      return set("config_C", value);
    }

    /** What the bias is scaled with and shifted by: "vector", "constant" or "none"; constant. */
    public Builder configDE(String value) {
      return set("config_D_E", value);
    }

    /** Whether the adapter starts without effect; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** The config, checked. */
    public GloraConfig build() {
      return of(values());
    }
  }
}
