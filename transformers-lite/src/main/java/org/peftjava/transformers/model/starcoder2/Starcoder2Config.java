package org.peftjava.transformers.model.starcoder2;

import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.ConfigRules;
import org.peftjava.transformers.model.RotaryConfig;
import org.peftjava.transformers.model.RotaryConfigBuilder;
import org.peftjava.transformers.model.RotaryConfigJson;

/**
 * The configuration of a StarCoder2 model, with the names, meanings and defaults of transformers'
 * {@code Starcoder2Config}.
 *
 * @param json every setting, completed by the defaults
 * @param nameOrPath where the model came from
 */
public record Starcoder2Config(ConfigJson json, Optional<String> nameOrPath)
    implements RotaryConfig {
  static final String MODEL_TYPE = "starcoder2";

  private static final ConfigJson DEFAULTS =
      ConfigJson.parse(
          """
          {
            "model_type": "starcoder2",
            "vocab_size": 49152,
            "hidden_size": 3072,
            "intermediate_size": 12288,
            "num_hidden_layers": 30,
            "num_attention_heads": 24,
            "num_key_value_heads": 2,
            "hidden_act": "gelu_pytorch_tanh",
            "max_position_embeddings": 4096,
            "initializer_range": 0.018042,
            "norm_epsilon": 1e-05,
            "use_cache": true,
            "bos_token_id": 50256,
            "eos_token_id": 50256,
            "pad_token_id": null,
            "sliding_window": null,
            "attention_dropout": 0.0,
            "residual_dropout": 0.0,
            "embedding_dropout": 0.0,
            "use_bias": true,
            "tie_word_embeddings": true
          }
          """,
          Path.of("Starcoder2Config"));

  /** Completes and checks the settings. */
  public Starcoder2Config {
    json = RotaryConfigJson.complete(json, DEFAULTS);
    ConfigRules.probabilities(json, "residual_dropout", "embedding_dropout");
  }

  /** The defaults of transformers: the shape of starcoder2-3b. */
  public static Builder builder() {
    return new Builder(ConfigJson.empty(Path.of("config.json")), Optional.empty());
  }

  /** A builder with these values. */
  public Builder toBuilder() {
    return new Builder(json, nameOrPath);
  }

  /** Reads the settings; absent ones get transformers' defaults. */
  public static Starcoder2Config of(ConfigJson json) {
    return new Starcoder2Config(json, Optional.empty());
  }

  @Override
  public String modelType() {
    return MODEL_TYPE;
  }

  @Override
  public Starcoder2Config withNameOrPath(String name) {
    return new Starcoder2Config(json, Optional.of(name));
  }

  @Override
  public double embeddingDropout() {
    return json.getDouble("embedding_dropout");
  }

  /** Probability after each block, while training. */
  public double residualDropout() {
    return json.getDouble("residual_dropout");
  }

  /** What norms add to the variance. */
  public double normEpsilon() {
    return json.getDouble("norm_epsilon");
  }

  /** Whether linear layers have a bias. */
  public boolean useBias() {
    return json.getBoolean("use_bias");
  }

  /** Builds a {@link Starcoder2Config}; each method sets the key of its name. */
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
    public Builder residualDropout(double value) {
      return with("residual_dropout", value);
    }

    /** Dropout after the embedding. */
    public Builder embeddingDropout(double value) {
      return with("embedding_dropout", value);
    }

    /** What norms add to the variance. */
    public Builder normEpsilon(double value) {
      return with("norm_epsilon", value);
    }

    /** Whether linear layers have a bias. */
    public Builder useBias(boolean value) {
      return with("use_bias", value);
    }

    /** The number of tokens that a token sees; null for all. */
    public Builder slidingWindow(@Nullable Integer value) {
      return with("sliding_window", value);
    }

    /** The config. */
    public Starcoder2Config build() {
      return new Starcoder2Config(json(), nameOrPath);
    }
  }
}
