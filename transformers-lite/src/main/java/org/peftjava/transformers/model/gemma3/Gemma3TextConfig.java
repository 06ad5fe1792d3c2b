package org.peftjava.transformers.model.gemma3;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.ConfigRules;
import org.peftjava.transformers.model.RotaryConfig;
import org.peftjava.transformers.model.RotaryConfigBuilder;
import org.peftjava.transformers.model.RotaryConfigJson;

/**
 * The configuration of a Gemma 3 text model, with the names, meanings and defaults of transformers'
 * {@code Gemma3TextConfig}.
 *
 * @param json every setting, completed by the defaults
 * @param nameOrPath where the model came from
 */
public record Gemma3TextConfig(ConfigJson json, Optional<String> nameOrPath)
    implements RotaryConfig {
  static final String MODEL_TYPE = "gemma3_text";

  private static final ConfigJson DEFAULTS =
      ConfigJson.parse(
          """
          {
            "model_type": "gemma3_text",
            "vocab_size": 262208,
            "max_position_embeddings": 131072,
            "hidden_size": 2304,
            "intermediate_size": 9216,
            "num_hidden_layers": 26,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "head_dim": 256,
            "hidden_activation": "gelu_pytorch_tanh",
            "initializer_range": 0.02,
            "rms_norm_eps": 1e-06,
            "use_cache": true,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "bos_token_id": 2,
            "tie_word_embeddings": true,
            "attention_bias": false,
            "attention_dropout": 0.0,
            "query_pre_attn_scalar": 256,
            "sliding_window": 4096,
            "layer_types": null,
            "final_logit_softcapping": null,
            "attn_logit_softcapping": null,
            "use_bidirectional_attention": false
          }
          """,
          Path.of("Gemma3TextConfig"));

  private static final double FULL_THETA = 1_000_000;
  private static final double SLIDING_THETA = 10_000;
  private static final int PATTERN = 6;

  /** What Python calls the pattern when it writes it. */
  private static final String KEPT = "_sliding_window_pattern";

  /** Completes and checks the settings. */
  public Gemma3TextConfig {
    json = completed(json);
    ConfigRules.off(json, List.of("use_bidirectional_attention"));
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
  public static Gemma3TextConfig of(ConfigJson json) {
    return new Gemma3TextConfig(json, Optional.empty());
  }

  @Override
  public String modelType() {
    return MODEL_TYPE;
  }

  @Override
  public Gemma3TextConfig withNameOrPath(String name) {
    return new Gemma3TextConfig(json, Optional.of(name));
  }

  /** Name of the nonlinearity. */
  public String hiddenActivation() {
    return json.getString("hidden_activation");
  }

  /** Whether attention's linear layers have a bias. */
  public boolean attentionBias() {
    return json.getBoolean("attention_bias");
  }

  /** Scores are divided by the root of this. */
  public double queryPreAttnScalar() {
    return json.getDouble("query_pre_attn_scalar");
  }

  @Override
  public OptionalDouble finalLogitSoftcapping() {
    return json.findDouble("final_logit_softcapping");
  }

  private static ConfigJson completed(ConfigJson json) {
    int pattern = pattern(json);
    ConfigJson kept = json.has(KEPT) ? json : json.with(KEPT, pattern);
    return RotaryConfigJson.completePerType(
        RotaryConfigJson.withLayerTypes(kept, DEFAULTS, layer -> (layer + 1) % pattern != 0),
        DEFAULTS,
        FULL_THETA,
        SLIDING_THETA);
  }

  /** Every so many layers one sees all tokens: {@code sliding_window_pattern} of older files. */
  private static int pattern(ConfigJson json) {
    int pattern = json.getInt("sliding_window_pattern", PATTERN);
    if (pattern <= 0) {
      throw json.invalid("sliding_window_pattern", "expected a number above 0.");
    }
    return pattern;
  }

  /** Builds a {@link Gemma3TextConfig}; each method sets the key of its name. */
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
    public Builder hiddenActivation(String value) {
      return with("hidden_activation", value);
    }

    /** Whether attention's linear layers have a bias. */
    public Builder attentionBias(boolean value) {
      return with("attention_bias", value);
    }

    /** Scores are divided by the root of this. */
    public Builder queryPreAttnScalar(int value) {
      return with("query_pre_attn_scalar", value);
    }

    /** The bound of the logits; null for none. */
    public Builder finalLogitSoftcapping(@Nullable Double value) {
      return with("final_logit_softcapping", value);
    }

    /** The number of tokens that sliding layers see. */
    public Builder slidingWindow(int value) {
      return with("sliding_window", value);
    }

    /** For each layer "full_attention" or "sliding_attention". */
    public Builder layerTypes(List<String> value) {
      return with("layer_types", value);
    }

    /** The config. */
    public Gemma3TextConfig build() {
      return new Gemma3TextConfig(json(), nameOrPath);
    }
  }
}
