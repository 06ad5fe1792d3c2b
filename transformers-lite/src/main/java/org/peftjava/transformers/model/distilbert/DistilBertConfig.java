package org.peftjava.transformers.model.distilbert;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.peftjava.transformers.config.ConfigDefaults;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;

/**
 * The configuration of a DistilBERT model, with the names, meanings and defaults of transformers'
 * {@code DistilBertConfig}.
 *
 * @param json every setting, with those that this library does not use
 * @param nameOrPath where the model came from
 */
public record DistilBertConfig(ConfigJson json, Optional<String> nameOrPath)
    implements PretrainedConfig {
  static final String MODEL_TYPE = "distilbert";

  private static final ConfigDefaults DEFAULTS =
      ConfigDefaults.parse(
          """
          {
            "model_type": "distilbert", "vocab_size": 30522, "max_position_embeddings": 512,
            "sinusoidal_pos_embds": false, "n_layers": 6, "n_heads": 12, "dim": 768,
            "hidden_dim": 3072, "dropout": 0.1, "attention_dropout": 0.1, "activation": "gelu",
            "initializer_range": 0.02, "qa_dropout": 0.1, "seq_classif_dropout": 0.2,
            "pad_token_id": 0, "eos_token_id": null, "bos_token_id": null,
            "tie_word_embeddings": true
          }
          """);

  /** Checks the settings; absent ones get transformers' defaults. */
  public DistilBertConfig {
    json = DEFAULTS.complete(json);
    ConfigDefaults.positive(
        json, "vocab_size", "max_position_embeddings", "n_layers", "n_heads", "dim", "hidden_dim");
    ConfigDefaults.probability(
        json, "dropout", "attention_dropout", "qa_dropout", "seq_classif_dropout");
    ConfigDefaults.divisible(json, "dim", "n_heads");
    ConfigDefaults.padding(json);
  }

  /** Reads the settings; absent ones get transformers' defaults. */
  public static DistilBertConfig of(ConfigJson json) {
    return new DistilBertConfig(json, Optional.empty());
  }

  /** The defaults of transformers: the shape of distilbert-base-uncased. */
  public static DistilBertConfigBuilder builder() {
    return new DistilBertConfigBuilder(DEFAULTS.json());
  }

  @Override
  public String modelType() {
    return MODEL_TYPE;
  }

  @Override
  public int vocabSize() {
    return json.getInt("vocab_size");
  }

  /** Length of a hidden state, {@code dim}. */
  @Override
  public int hiddenSize() {
    return json.getInt("dim");
  }

  /** Number of layers, {@code n_layers}. */
  @Override
  public int numHiddenLayers() {
    return json.getInt("n_layers");
  }

  /** Number of attention heads; divides the hidden size. */
  public int nHeads() {
    return json.getInt("n_heads");
  }

  /** Inner size of the feed-forward blocks. */
  public int hiddenDim() {
    return json.getInt("hidden_dim");
  }

  @Override
  public int maxPositionEmbeddings() {
    return json.getInt("max_position_embeddings");
  }

  /** Whether position vectors start as sines and cosines. */
  public boolean sinusoidalPosEmbds() {
    return json.getBoolean("sinusoidal_pos_embds");
  }

  /** Dropout probability after the embeddings and each block, while training. */
  public double dropout() {
    return json.getDouble("dropout");
  }

  /** Dropout probability inside attention, while training. */
  public double attentionDropout() {
    return json.getDouble("attention_dropout");
  }

  /** Dropout probability before the scores of question answering. */
  public double qaDropout() {
    return json.getDouble("qa_dropout");
  }

  /** Dropout probability before a text classifier. */
  public double seqClassifDropout() {
    return json.getDouble("seq_classif_dropout");
  }

  /** Name of the nonlinearity. */
  public String activation() {
    return json.getString("activation");
  }

  @Override
  public boolean tieWordEmbeddings() {
    return json.getBoolean("tie_word_embeddings", true);
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
  public DistilBertConfig withNameOrPath(String name) {
    return new DistilBertConfig(json, Optional.of(name));
  }
}
