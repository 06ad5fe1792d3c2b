package org.peftjava.transformers.model.mistral;

import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.RotaryConfig;
import org.peftjava.transformers.model.RotaryConfigBuilder;
import org.peftjava.transformers.model.RotaryConfigJson;

/**
 * The configuration of a Mistral model, with the names, meanings and defaults of transformers'
 * {@code MistralConfig}.
 *
 * @param json every setting, completed by the defaults
 * @param nameOrPath where the model came from
 */
public record MistralConfig(ConfigJson json, Optional<String> nameOrPath) implements RotaryConfig {
  static final String MODEL_TYPE = "mistral";

  private static final ConfigJson DEFAULTS =
      ConfigJson.parse(
          """
          {
            "model_type": "mistral",
            "vocab_size": 32000,
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": null,
            "hidden_act": "silu",
            "max_position_embeddings": 131072,
            "initializer_range": 0.02,
            "rms_norm_eps": 1e-06,
            "use_cache": true,
            "pad_token_id": null,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "tie_word_embeddings": false,
            "sliding_window": 4096,
            "attention_dropout": 0.0
          }
          """,
          Path.of("MistralConfig"));

  /** Completes and checks the settings. */
  public MistralConfig {
    json = RotaryConfigJson.complete(json, DEFAULTS);
  }

  /** The defaults of transformers: the shape of Mistral-7B-v0.1. */
  public static Builder builder() {
    return new Builder(ConfigJson.empty(Path.of("config.json")), Optional.empty());
  }

  /** A builder with these values. */
  public Builder toBuilder() {
    return new Builder(json, nameOrPath);
  }

  /** Reads the settings; absent ones get transformers' defaults. */
  public static MistralConfig of(ConfigJson json) {
    return new MistralConfig(json, Optional.empty());
  }

  @Override
  public String modelType() {
    return MODEL_TYPE;
  }

  @Override
  public MistralConfig withNameOrPath(String name) {
    return new MistralConfig(json, Optional.of(name));
  }

  /** Builds a {@link MistralConfig}; each method sets the key of its name. */
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

    /** The number of tokens that a token sees; null for all. */
    public Builder slidingWindow(@Nullable Integer value) {
      return with("sliding_window", value);
    }

    /** The config. */
    public MistralConfig build() {
      return new MistralConfig(json(), nameOrPath);
    }
  }
}
