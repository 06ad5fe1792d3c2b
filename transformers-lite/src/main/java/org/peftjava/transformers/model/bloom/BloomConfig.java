package org.peftjava.transformers.model.bloom;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ConfigRules;

/**
 * The configuration of a BLOOM model, with the names, meanings and defaults of transformers' {@code
 * BloomConfig}.
 *
 * @param json every setting, completed by the defaults
 * @param nameOrPath where the model came from
 */
public record BloomConfig(ConfigJson json, Optional<String> nameOrPath)
    implements PretrainedConfig {
  static final String MODEL_TYPE = "bloom";

  /** Sequences of training, where {@code seq_length} does not say it. */
  private static final int TRAINED_LENGTH = 2048;

  private static final ConfigJson DEFAULTS =
      ConfigJson.parse(
          """
          {
            "model_type": "bloom",
            "vocab_size": 250880,
            "hidden_size": 64,
            "n_layer": 2,
            "n_head": 8,
            "layer_norm_epsilon": 1e-05,
            "initializer_range": 0.02,
            "use_cache": true,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": null,
            "apply_residual_connection_post_layernorm": false,
            "hidden_dropout": 0.0,
            "attention_dropout": 0.0,
            "pretraining_tp": 1,
            "slow_but_exact": false,
            "tie_word_embeddings": true
          }
          """,
          Path.of("BloomConfig"));

  /** Names of older files and of other architectures, and this one's for the same. */
  private static final Map<String, String> ALIASES =
      Map.of(
          "n_embed", "hidden_size",
          "num_attention_heads", "n_head",
          "num_hidden_layers", "n_layer");

  /** Completes and checks the settings. */
  public BloomConfig {
    json = ConfigRules.completed(ConfigRules.renamed(json, ALIASES), DEFAULTS);
    ConfigRules.positive(json, "vocab_size", "hidden_size", "n_layer", "n_head");
    ConfigRules.divides(json, "n_head", "hidden_size");
    ConfigRules.probabilities(json, "hidden_dropout", "attention_dropout");
  }

  /** The defaults of transformers: a tiny model. */
  public static BloomConfigBuilder builder() {
    return new BloomConfigBuilder(ConfigJson.empty(Path.of("config.json")), Optional.empty());
  }

  /** A builder with these values. */
  public BloomConfigBuilder toBuilder() {
    return new BloomConfigBuilder(json, nameOrPath);
  }

  /** Reads the settings; absent ones get transformers' defaults. */
  public static BloomConfig of(ConfigJson json) {
    return new BloomConfig(json, Optional.empty());
  }

  @Override
  public String modelType() {
    return MODEL_TYPE;
  }

  @Override
  public int vocabSize() {
    return json.getInt("vocab_size");
  }

  @Override
  public int hiddenSize() {
    return json.getInt("hidden_size");
  }

  @Override
  public int numHiddenLayers() {
    return json.getInt("n_layer");
  }

  @Override
  public int maxPositionEmbeddings() {
    return json.getInt("seq_length", TRAINED_LENGTH);
  }

  /** Biases go on beyond the longest sequence of training. */
  @Override
  public int longestSequence() {
    return UNLIMITED;
  }

  /** Number of heads; divides the hidden size. */
  public int nHead() {
    return json.getInt("n_head");
  }

  /** What norms add to the variance. */
  public double layerNormEpsilon() {
    return json.getDouble("layer_norm_epsilon");
  }

  /** Whether residual connections begin behind the norms. */
  public boolean applyResidualConnectionPostLayernorm() {
    return json.getBoolean("apply_residual_connection_post_layernorm");
  }

  /** Probability after each block, while training. */
  public double hiddenDropout() {
    return json.getDouble("hidden_dropout");
  }

  /** Probability inside attention, while training. */
  public double attentionDropout() {
    return json.getDouble("attention_dropout");
  }

  @Override
  public boolean tieWordEmbeddings() {
    return json.getBoolean("tie_word_embeddings");
  }

  @Override
  public double initialStd() {
    return json.getDouble("initializer_range");
  }

  @Override
  public OptionalLong padTokenId() {
    return json.findLong("pad_token_id");
  }

  @Override
  public OptionalLong bosTokenId() {
    return json.findLong("bos_token_id");
  }

  @Override
  public List<Long> eosTokenIds() {
    return json.getLongs("eos_token_id");
  }

  @Override
  public BloomConfig withNameOrPath(String name) {
    return new BloomConfig(json, Optional.of(name));
  }
}
