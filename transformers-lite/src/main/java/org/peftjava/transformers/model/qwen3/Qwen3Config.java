package org.peftjava.transformers.model.qwen3;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.RotaryConfig;
import org.peftjava.transformers.model.RotaryConfigBuilder;
import org.peftjava.transformers.model.RotaryConfigJson;

/**
 * The configuration of a Qwen3 model, with the names, meanings and defaults of transformers' {@code
 * Qwen3Config}.
 *
 * @param json every setting, completed by the defaults
 * @param nameOrPath where the model came from
 */
public record Qwen3Config(ConfigJson json, Optional<String> nameOrPath) implements RotaryConfig {
  static final String MODEL_TYPE = "qwen3";

  private static final ConfigJson DEFAULTS =
      ConfigJson.parse(
          """
          {
            "model_type": "qwen3",
            "vocab_size": 151936,
            "hidden_size": 4096,
            "intermediate_size": 22016,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "hidden_act": "silu",
            "max_position_embeddings": 32768,
            "initializer_range": 0.02,
            "rms_norm_eps": 1e-06,
            "use_cache": true,
            "tie_word_embeddings": false,
            "use_sliding_window": false,
            "sliding_window": 4096,
            "max_window_layers": 28,
            "layer_types": null,
            "attention_dropout": 0.0,
            "pad_token_id": null,
            "bos_token_id": null,
            "eos_token_id": null,
            "head_dim": 128,
            "attention_bias": false
          }
          """,
          Path.of("Qwen3Config"));

  /** Completes and checks the settings. */
  public Qwen3Config {
    json = RotaryConfigJson.complete(RotaryConfigJson.withWindowFrom(json, DEFAULTS), DEFAULTS);
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
  public static Qwen3Config of(ConfigJson json) {
    return new Qwen3Config(json, Optional.empty());
  }

  @Override
  public String modelType() {
    return MODEL_TYPE;
  }

  @Override
  public Qwen3Config withNameOrPath(String name) {
    return new Qwen3Config(json, Optional.of(name));
  }

  /** Whether attention's linear layers have a bias. */
  public boolean attentionBias() {
    return json.getBoolean("attention_bias");
  }

  /** Builds a {@link Qwen3Config}; each method sets the key of its name. */
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

    /** Whether some layers see a window only. */
    public Builder useSlidingWindow(boolean value) {
      return with("use_sliding_window", value);
    }

    /** The number of tokens in such a window. */
    public Builder slidingWindow(@Nullable Integer value) {
      return with("sliding_window", value);
    }

    /** The first layer that sees a window only, unless layer_types says so. */
    public Builder maxWindowLayers(int value) {
      return with("max_window_layers", value);
    }

    /** For each layer "full_attention" or "sliding_attention". */
    public Builder layerTypes(List<String> value) {
      return with("layer_types", value);
    }

    /** Whether attention's linear layers have a bias. */
    public Builder attentionBias(boolean value) {
      return with("attention_bias", value);
    }

    /** The config. */
    public Qwen3Config build() {
      return new Qwen3Config(json(), nameOrPath);
    }
  }
}
