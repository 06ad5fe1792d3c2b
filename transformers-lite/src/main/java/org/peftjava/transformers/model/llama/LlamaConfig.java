package org.peftjava.transformers.model.llama;

import java.nio.file.Path;
import java.util.Optional;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.RotaryConfig;
import org.peftjava.transformers.model.RotaryConfigBuilder;
import org.peftjava.transformers.model.RotaryConfigJson;

/**
 * The configuration of a Llama model, with the names, meanings and defaults of transformers' {@code
 * LlamaConfig}.
 *
 * @param json every setting, completed by the defaults
 * @param nameOrPath where the model came from
 */
public record LlamaConfig(ConfigJson json, Optional<String> nameOrPath) implements RotaryConfig {
  static final String MODEL_TYPE = "llama";

  private static final ConfigJson DEFAULTS =
      ConfigJson.parse(
          """
          {
            "model_type": "llama",
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
            "pretraining_tp": 1,
            "tie_word_embeddings": false,
            "attention_bias": false,
            "attention_dropout": 0.0,
            "mlp_bias": false,
            "head_dim": null
          }
          """,
          Path.of("LlamaConfig"));

  /** Completes and checks the settings. */
  public LlamaConfig {
    json = RotaryConfigJson.complete(json, DEFAULTS);
  }

  /** The defaults of transformers: the shape of Llama-2-7b. */
  public static Builder builder() {
    return new Builder(ConfigJson.empty(Path.of("config.json")), Optional.empty());
  }

  /** A builder with these values. */
  public Builder toBuilder() {
    return new Builder(json, nameOrPath);
  }

  /** Reads the settings; absent ones get transformers' defaults. */
  public static LlamaConfig of(ConfigJson json) {
    return new LlamaConfig(json, Optional.empty());
  }

  @Override
  public String modelType() {
    return MODEL_TYPE;
  }

  @Override
  public LlamaConfig withNameOrPath(String name) {
    return new LlamaConfig(json, Optional.of(name));
  }

  /** Whether attention's linear layers have a bias. */
  public boolean attentionBias() {
    return json.getBoolean("attention_bias");
  }

  /** Whether linear layers of the feed-forward blocks have a bias. */
  public boolean mlpBias() {
    return json.getBoolean("mlp_bias");
  }

  /** Builds a {@link LlamaConfig}; each method sets the key of its name. */
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

    /** Whether attention's linear layers have a bias. */
    public Builder attentionBias(boolean value) {
      return with("attention_bias", value);
    }

    /** Whether linear layers of the feed-forward blocks have a bias. */
    public Builder mlpBias(boolean value) {
      return with("mlp_bias", value);
    }

    /** The config. */
    public LlamaConfig build() {
      return new LlamaConfig(json(), nameOrPath);
    }
  }
}
