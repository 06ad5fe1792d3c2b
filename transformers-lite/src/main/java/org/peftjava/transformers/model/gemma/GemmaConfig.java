package org.peftjava.transformers.model.gemma;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.ConfigRules;
import org.peftjava.transformers.model.RotaryConfig;
import org.peftjava.transformers.model.RotaryConfigBuilder;
import org.peftjava.transformers.model.RotaryConfigJson;

/**
 * The configuration of a Gemma model, with the names, meanings and defaults of transformers' {@code
 * GemmaConfig}.
 *
 * @param json every setting, completed by the defaults
 * @param nameOrPath where the model came from
 */
public record GemmaConfig(ConfigJson json, Optional<String> nameOrPath) implements RotaryConfig {
  static final String MODEL_TYPE = "gemma";

  private static final ConfigJson DEFAULTS =
      ConfigJson.parse(
          """
          {
            "model_type": "gemma",
            "vocab_size": 256000,
            "hidden_size": 3072,
            "intermediate_size": 24576,
            "num_hidden_layers": 28,
            "num_attention_heads": 16,
            "num_key_value_heads": 16,
            "head_dim": 256,
            "hidden_act": "gelu_pytorch_tanh",
            "max_position_embeddings": 8192,
            "initializer_range": 0.02,
            "rms_norm_eps": 1e-06,
            "use_cache": true,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "bos_token_id": 2,
            "tie_word_embeddings": true,
            "attention_bias": false,
            "attention_dropout": 0.0,
            "use_bidirectional_attention": null
          }
          """,
          Path.of("GemmaConfig"));

  /** Completes and checks the settings. */
  public GemmaConfig {
    json = RotaryConfigJson.complete(json, DEFAULTS);
    ConfigRules.off(json, List.of("use_bidirectional_attention"));
  }

  /** The defaults of transformers: the shape of gemma-7b. */
  public static Builder builder() {
    return new Builder(ConfigJson.empty(Path.of("config.json")), Optional.empty());
  }

  /** A builder with these values. */
  public Builder toBuilder() {
    return new Builder(json, nameOrPath);
  }

  /** Reads the settings; absent ones get transformers' defaults. */
  public static GemmaConfig of(ConfigJson json) {
    return new GemmaConfig(json, Optional.empty());
  }

  @Override
  public String modelType() {
    return MODEL_TYPE;
  }

  @Override
  public GemmaConfig withNameOrPath(String name) {
    return new GemmaConfig(json, Optional.of(name));
  }

  /** Whether attention's linear layers have a bias. */
  public boolean attentionBias() {
    return json.getBoolean("attention_bias");
  }

  /** Builds a {@link GemmaConfig}; each method sets the key of its name. */
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

    /** The config. */
    public GemmaConfig build() {
      return new GemmaConfig(json(), nameOrPath);
    }
  }
}
