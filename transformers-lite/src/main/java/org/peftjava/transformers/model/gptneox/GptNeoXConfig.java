package org.peftjava.transformers.model.gptneox;

import java.nio.file.Path;
import java.util.Optional;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.ConfigRules;
import org.peftjava.transformers.model.RotaryConfig;
import org.peftjava.transformers.model.RotaryConfigBuilder;
import org.peftjava.transformers.model.RotaryConfigJson;

/**
 * The configuration of a GPT-NeoX model, with the names, meanings and defaults of transformers'
 * {@code GPTNeoXConfig}.
 *
 * @param json every setting, completed by the defaults
 * @param nameOrPath where the model came from
 */
public record GptNeoXConfig(ConfigJson json, Optional<String> nameOrPath) implements RotaryConfig {
  static final String MODEL_TYPE = "gpt_neox";

  /** How much of a head turns, unless the file says otherwise. */
  private static final double TURNING_PART = 0.25;

  /** The base of the angles, unless the file says otherwise. */
  private static final double THETA = 10_000;

  private static final ConfigJson DEFAULTS =
      ConfigJson.parse(
          """
          {
            "model_type": "gpt_neox",
            "vocab_size": 50432,
            "hidden_size": 6144,
            "num_hidden_layers": 44,
            "num_attention_heads": 64,
            "intermediate_size": 24576,
            "hidden_act": "gelu",
            "attention_dropout": 0.0,
            "hidden_dropout": 0.0,
            "classifier_dropout": 0.1,
            "max_position_embeddings": 2048,
            "initializer_range": 0.02,
            "layer_norm_eps": 1e-05,
            "use_cache": true,
            "bos_token_id": 0,
            "eos_token_id": 2,
            "pad_token_id": null,
            "tie_word_embeddings": false,
            "use_parallel_residual": true,
            "attention_bias": true,
            "is_decoder": false
          }
          """,
          Path.of("GptNeoXConfig"));

  /** Completes and checks the settings. */
  public GptNeoXConfig {
    json = completed(json);
    ConfigRules.probabilities(json, "hidden_dropout", "classifier_dropout");
  }

  /** The defaults of transformers: the shape of gpt-neox-20b. */
  public static Builder builder() {
    return new Builder(ConfigJson.empty(Path.of("config.json")), Optional.empty());
  }

  /** A builder with these values. */
  public Builder toBuilder() {
    return new Builder(json, nameOrPath);
  }

  /** Reads the settings; absent ones get transformers' defaults. */
  public static GptNeoXConfig of(ConfigJson json) {
    return new GptNeoXConfig(json, Optional.empty());
  }

  @Override
  public String modelType() {
    return MODEL_TYPE;
  }

  @Override
  public GptNeoXConfig withNameOrPath(String name) {
    return new GptNeoXConfig(json, Optional.of(name));
  }

  /** As many as ask. */
  @Override
  public int numKeyValueHeads() {
    return numAttentionHeads();
  }

  @Override
  public double embeddingDropout() {
    return json.getDouble("hidden_dropout");
  }

  /** Probability after each block, while training. */
  public double hiddenDropout() {
    return json.getDouble("hidden_dropout");
  }

  /** Probability before a token classifier, while training. */
  public double classifierDropout() {
    return json.getDouble("classifier_dropout");
  }

  /** What norms add to the variance. */
  public double layerNormEps() {
    return json.getDouble("layer_norm_eps");
  }

  /** Whether attention and feed-forward block read the same hidden state. */
  public boolean useParallelResidual() {
    return json.getBoolean("use_parallel_residual");
  }

  /** Whether attention's linear layers have a bias. */
  public boolean attentionBias() {
    return json.getBoolean("attention_bias");
  }

  /** The angles have names of their own in older files: {@code rotary_emb_base, rotary_pct}. */
  private static ConfigJson completed(ConfigJson json) {
    ConfigJson rope =
        json.findObject("rope_scaling")
            .or(() -> json.findObject("rope_parameters"))
            .orElse(ConfigJson.empty(json.source()));
    ConfigJson turning = withDefault(rope, "rope_theta", json, "rotary_emb_base", THETA);
    return RotaryConfigJson.complete(
        json.without("rope_scaling")
            .without("rotary_emb_base")
            .without("rotary_pct")
            .with(
                "rope_parameters",
                withDefault(turning, "partial_rotary_factor", json, "rotary_pct", TURNING_PART)
                    .toNode()),
        DEFAULTS);
  }

  private static ConfigJson withDefault(
      ConfigJson rope, String key, ConfigJson json, String oldKey, double otherwise) {
    if (rope.has(key)) {
      return rope;
    }
    return json.has(oldKey)
        ? rope.with(key, json.node(oldKey).orElseThrow())
        : rope.with(key, otherwise);
  }

  /** Builds a {@link GptNeoXConfig}; each method sets the key of its name. */
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

    /** Dropout behind the embedding and each block. */
    public Builder hiddenDropout(double value) {
      return with("hidden_dropout", value);
    }

    /** Dropout before a token classifier. */
    public Builder classifierDropout(double value) {
      return with("classifier_dropout", value);
    }

    /** What norms add to the variance. */
    public Builder layerNormEps(double value) {
      return with("layer_norm_eps", value);
    }

    /** Whether attention and feed-forward block read the same hidden state. */
    public Builder useParallelResidual(boolean value) {
      return with("use_parallel_residual", value);
    }

    /** Whether attention's linear layers have a bias. */
    public Builder attentionBias(boolean value) {
      return with("attention_bias", value);
    }

    /** The config. */
    public GptNeoXConfig build() {
      return new GptNeoXConfig(json(), nameOrPath);
    }
  }
}
