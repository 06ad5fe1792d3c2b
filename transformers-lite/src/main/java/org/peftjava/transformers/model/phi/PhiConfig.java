package org.peftjava.transformers.model.phi;

import java.nio.file.Path;
import java.util.Optional;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.ConfigRules;
import org.peftjava.transformers.model.RotaryConfig;
import org.peftjava.transformers.model.RotaryConfigBuilder;
import org.peftjava.transformers.model.RotaryConfigJson;

/**
 * The configuration of a Phi model, with the names, meanings and defaults of transformers' {@code
 * PhiConfig}.
 *
 * @param json every setting, completed by the defaults
 * @param nameOrPath where the model came from
 */
public record PhiConfig(ConfigJson json, Optional<String> nameOrPath) implements RotaryConfig {
  static final String MODEL_TYPE = "phi";

  private static final String PARTIAL = "partial_rotary_factor";

  /** How much of a head turns, unless the file says otherwise. */
  private static final double TURNING_PART = 0.5;

  private static final ConfigJson DEFAULTS =
      ConfigJson.parse(
          """
          {
            "model_type": "phi",
            "vocab_size": 51200,
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "num_hidden_layers": 24,
            "num_attention_heads": 32,
            "num_key_value_heads": null,
            "resid_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "attention_dropout": 0.0,
            "hidden_act": "gelu_new",
            "max_position_embeddings": 2048,
            "initializer_range": 0.02,
            "layer_norm_eps": 1e-05,
            "use_cache": true,
            "tie_word_embeddings": false,
            "qk_layernorm": false,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": null
          }
          """,
          Path.of("PhiConfig"));

  /** Completes and checks the settings. */
  public PhiConfig {
    json = completed(json);
    ConfigRules.probabilities(json, "resid_pdrop", "embd_pdrop");
  }

  /** The defaults of transformers: the shape of phi-1. */
  public static Builder builder() {
    return new Builder(ConfigJson.empty(Path.of("config.json")), Optional.empty());
  }

  /** A builder with these values. */
  public Builder toBuilder() {
    return new Builder(json, nameOrPath);
  }

  /** Reads the settings; absent ones get transformers' defaults. */
  public static PhiConfig of(ConfigJson json) {
    return new PhiConfig(json, Optional.empty());
  }

  @Override
  public String modelType() {
    return MODEL_TYPE;
  }

  @Override
  public PhiConfig withNameOrPath(String name) {
    return new PhiConfig(json, Optional.of(name));
  }

  @Override
  public double embeddingDropout() {
    return json.getDouble("embd_pdrop");
  }

  /** Probability after each block, while training. */
  public double residPdrop() {
    return json.getDouble("resid_pdrop");
  }

  /** What norms add to the variance. */
  public double layerNormEps() {
    return json.getDouble("layer_norm_eps");
  }

  /** Whether queries and keys are normalised. */
  public boolean qkLayernorm() {
    return json.getBoolean("qk_layernorm");
  }

  private static ConfigJson completed(ConfigJson json) {
    ConfigJson shared = json.has(PARTIAL) ? json : json.with(PARTIAL, TURNING_PART);
    return RotaryConfigJson.complete(shared, DEFAULTS);
  }

  /** Builds a {@link PhiConfig}; each method sets the key of its name. */
  public static final class Builder extends RotaryConfigBuilder<Builder> {
    private final Optional<String> nameOrPath;

    private Builder(ConfigJson json, Optional<String> nameOrPath) {
      super(json);
      this.nameOrPath = nameOrPath;
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Name of the nonlinearity. */
    public Builder hiddenAct(String value) {
      return with("hidden_act", value);
    }

    /** Dropout after each block. */
    public Builder residPdrop(double value) {
      return with("resid_pdrop", value);
    }

    /** Dropout after the embedding. */
    public Builder embdPdrop(double value) {
      return with("embd_pdrop", value);
    }

    /** What norms add to the variance. */
    public Builder layerNormEps(double value) {
      return with("layer_norm_eps", value);
    }

    /** Whether queries and keys are normalised. */
    public Builder qkLayernorm(boolean value) {
      return with("qk_layernorm", value);
    }

    /** The config. */
    public PhiConfig build() {
      return new PhiConfig(json(), nameOrPath);
    }
  }
}
