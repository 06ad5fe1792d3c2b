package org.peftjava.transformers.model.granite;

import java.nio.file.Path;
import java.util.Optional;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.RotaryConfig;
import org.peftjava.transformers.model.RotaryConfigBuilder;
import org.peftjava.transformers.model.RotaryConfigJson;

/**
 * The configuration of a Granite model, with the names, meanings and defaults of transformers'
 * {@code GraniteConfig}.
 *
 * @param json every setting, completed by the defaults
 * @param nameOrPath where the model came from
 */
public record GraniteConfig(ConfigJson json, Optional<String> nameOrPath) implements RotaryConfig {
  static final String MODEL_TYPE = "granite";

  private static final ConfigJson DEFAULTS =
      ConfigJson.parse(
          """
          {
            "model_type": "granite",
            "vocab_size": 32000,
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": null,
            "hidden_act": "silu",
            "max_position_embeddings": 2048,
            "initializer_range": 0.02,
            "rms_norm_eps": 1e-06,
            "use_cache": true,
            "pad_token_id": null,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "tie_word_embeddings": false,
            "attention_bias": false,
            "attention_dropout": 0.0,
            "mlp_bias": false,
            "embedding_multiplier": 1.0,
            "logits_scaling": 1.0,
            "residual_multiplier": 1.0,
            "attention_multiplier": 1.0
          }
          """,
          Path.of("GraniteConfig"));

  /** Completes and checks the settings. */
  public GraniteConfig {
    json = RotaryConfigJson.complete(json, DEFAULTS);
  }

  /** The defaults of transformers. */
  public static Builder builder() {
    return new Builder(ConfigJson.empty(Path.of("config.json")), Optional.empty());
  }

  /** A builder with these values. */
  public Builder toBuilder() {
    return new Builder(json, nameOrPath);
  }

  /** Reads the settings; absent ones get transformers' defaults. */
  public static GraniteConfig of(ConfigJson json) {
    return new GraniteConfig(json, Optional.empty());
  }

  @Override
  public String modelType() {
    return MODEL_TYPE;
  }

  @Override
  public GraniteConfig withNameOrPath(String name) {
    return new GraniteConfig(json, Optional.of(name));
  }

  @Override
  public double embeddingMultiplier() {
    return json.getDouble("embedding_multiplier");
  }

  /** What logits are divided by. */
  public double logitsScaling() {
    return json.getDouble("logits_scaling");
  }

  /** What each block's output is multiplied with. */
  public double residualMultiplier() {
    return json.getDouble("residual_multiplier");
  }

  /** What scores are multiplied with, in place of the root of a head's size. */
  public double attentionMultiplier() {
    return json.getDouble("attention_multiplier");
  }

  /** Whether attention's linear layers have a bias. */
  public boolean attentionBias() {
    return json.getBoolean("attention_bias");
  }

  /** Whether linear layers of the feed-forward blocks have a bias. */
  public boolean mlpBias() {
    return json.getBoolean("mlp_bias");
  }

  /** Builds a {@link GraniteConfig}; each method sets the key of its name. */
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

    /** What token vectors are multiplied with. */
    public Builder embeddingMultiplier(double value) {
      return with("embedding_multiplier", value);
    }

    /** What logits are divided by. */
    public Builder logitsScaling(double value) {
      return with("logits_scaling", value);
    }

    /** What each block's output is multiplied with. */
    public Builder residualMultiplier(double value) {
      return with("residual_multiplier", value);
    }

    /** What scores are multiplied with. */
    public Builder attentionMultiplier(double value) {
      return with("attention_multiplier", value);
    }

    /** Whether attention's linear layers have a bias. */
    public Builder attentionBias(boolean value) {
      return with("attention_bias", value);
    }

    /** Whether linear layers of the feed-forward blocks have a bias. */
    public Builder mlpBias(boolean value) {
      return with("mlp_bias", value);
    }

    /** The config. */
    public GraniteConfig build() {
      return new GraniteConfig(json(), nameOrPath);
    }
  }
}
