package org.peftjava.transformers.model.distilbert;

import java.util.Map;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.Labels;

/** Builds a {@link DistilBertConfig}; each method sets the value of its name. */
public final class DistilBertConfigBuilder {
  private ConfigJson json;

  DistilBertConfigBuilder(ConfigJson json) {
    this.json = json;
  }

  /** Number of tokens. */
  public DistilBertConfigBuilder vocabSize(int value) {
    return set("vocab_size", value);
  }

  /** Number of positions. */
  public DistilBertConfigBuilder maxPositionEmbeddings(int value) {
    return set("max_position_embeddings", value);
  }

  /** Whether position vectors start as sines and cosines. */
  public DistilBertConfigBuilder sinusoidalPosEmbds(boolean value) {
    return set("sinusoidal_pos_embds", value);
  }

  /** Number of layers. */
  public DistilBertConfigBuilder nLayers(int value) {
    return set("n_layers", value);
  }

  /** Number of attention heads. */
  public DistilBertConfigBuilder nHeads(int value) {
    return set("n_heads", value);
  }

  /** Length of a hidden state. */
  public DistilBertConfigBuilder dim(int value) {
    return set("dim", value);
  }

  /** Inner size of the feed-forward blocks. */
  public DistilBertConfigBuilder hiddenDim(int value) {
    return set("hidden_dim", value);
  }

  /** Dropout after the embeddings and each block. */
  public DistilBertConfigBuilder dropout(double value) {
    return set("dropout", value);
  }

  /** Dropout inside attention. */
  public DistilBertConfigBuilder attentionDropout(double value) {
    return set("attention_dropout", value);
  }

  /** Name of the nonlinearity. */
  public DistilBertConfigBuilder activation(String value) {
    return set("activation", value);
  }

  /** Standard deviation of initial weights. */
  public DistilBertConfigBuilder initializerRange(double value) {
    return set("initializer_range", value);
  }

  /** Dropout before the scores of question answering. */
  public DistilBertConfigBuilder qaDropout(double value) {
    return set("qa_dropout", value);
  }

  /** Dropout before a text classifier. */
  public DistilBertConfigBuilder seqClassifDropout(double value) {
    return set("seq_classif_dropout", value);
  }

  /** Whether a language-model head and the token embedding are one weight. */
  public DistilBertConfigBuilder tieWordEmbeddings(boolean value) {
    return set("tie_word_embeddings", value);
  }

  /** "regression", "single_label_classification" or "multi_label_classification". */
  public DistilBertConfigBuilder problemType(String value) {
    return set("problem_type", value);
  }

  /** The token that fills short rows; empty for none. */
  public DistilBertConfigBuilder padTokenId(OptionalLong value) {
    return set("pad_token_id", value.isPresent() ? value.getAsLong() : null);
  }

  /** Number of labels of a classifier. */
  public DistilBertConfigBuilder numLabels(int value) {
    json = Labels.withCount(json, value);
    return this;
  }

  /** Names of a classifier's labels, by number from 0 on. */
  public DistilBertConfigBuilder id2label(Map<Integer, String> value) {
    json = Labels.withNames(json, value);
    return this;
  }

  /** The config. */
  public DistilBertConfig build() {
    return DistilBertConfig.of(json);
  }

  private DistilBertConfigBuilder set(String key, @Nullable Object value) {
    json = json.with(key, value);
    return this;
  }
}
