package org.peftjava.transformers.model;

import java.util.Map;
import java.util.OptionalLong;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.Labels;

/**
 * Builds the config of an encoder like BERT; each method sets the value of its name.
 *
 * @param <C> the config
 */
public final class EncoderConfigBuilder<C extends EncoderConfig> {
  private final Function<ConfigJson, C> factory;
  private ConfigJson json;

  /** Starts from these settings. */
  public EncoderConfigBuilder(ConfigJson json, Function<ConfigJson, C> factory) {
    this.json = json;
    this.factory = factory;
  }

  /** Number of tokens. */
  public EncoderConfigBuilder<C> vocabSize(int value) {
    return set("vocab_size", value);
  }

  /** Length of a hidden state. */
  public EncoderConfigBuilder<C> hiddenSize(int value) {
    return set("hidden_size", value);
  }

  /** Length of a token's vector, where models have one of their own. */
  public EncoderConfigBuilder<C> embeddingSize(int value) {
    return set("embedding_size", value);
  }

  /** Number of layers. */
  public EncoderConfigBuilder<C> numHiddenLayers(int value) {
    return set("num_hidden_layers", value);
  }

  /** Number of attention heads. */
  public EncoderConfigBuilder<C> numAttentionHeads(int value) {
    return set("num_attention_heads", value);
  }

  /** Inner size of the feed-forward blocks. */
  public EncoderConfigBuilder<C> intermediateSize(int value) {
    return set("intermediate_size", value);
  }

  /** Name of the nonlinearity. */
  public EncoderConfigBuilder<C> hiddenAct(String value) {
    return set("hidden_act", value);
  }

  /** Dropout after the embeddings and each block. */
  public EncoderConfigBuilder<C> hiddenDropoutProb(double value) {
    return set("hidden_dropout_prob", value);
  }

  /** Dropout inside attention. */
  public EncoderConfigBuilder<C> attentionProbsDropoutProb(double value) {
    return set("attention_probs_dropout_prob", value);
  }

  /** Number of positions. */
  public EncoderConfigBuilder<C> maxPositionEmbeddings(int value) {
    return set("max_position_embeddings", value);
  }

  /** Number of token types. */
  public EncoderConfigBuilder<C> typeVocabSize(int value) {
    return set("type_vocab_size", value);
  }

  /** Standard deviation of initial weights. */
  public EncoderConfigBuilder<C> initializerRange(double value) {
    return set("initializer_range", value);
  }

  /** What norms add to the variance. */
  public EncoderConfigBuilder<C> layerNormEps(double value) {
    return set("layer_norm_eps", value);
  }

  /** Dropout before a classifier. */
  public EncoderConfigBuilder<C> classifierDropout(double value) {
    return set("classifier_dropout", value);
  }

  /** The token that fills short rows; empty for none. */
  public EncoderConfigBuilder<C> padTokenId(OptionalLong value) {
    return set("pad_token_id", value.isPresent() ? value.getAsLong() : null);
  }

  /** Whether a language-model head and the token embedding are one weight. */
  public EncoderConfigBuilder<C> tieWordEmbeddings(boolean value) {
    return set("tie_word_embeddings", value);
  }

  /** Number of labels of a classifier. */
  public EncoderConfigBuilder<C> numLabels(int value) {
    json = Labels.withCount(json, value);
    return this;
  }

  /** Names of a classifier's labels, by number from 0 on. */
  public EncoderConfigBuilder<C> id2label(Map<Integer, String> value) {
    json = Labels.withNames(json, value);
    return this;
  }

  /** "regression", "single_label_classification" or "multi_label_classification". */
  public EncoderConfigBuilder<C> problemType(String value) {
    return set("problem_type", value);
  }

  /** Whether tokens see those before them only, to tell the next one. */
  public EncoderConfigBuilder<C> isDecoder(boolean value) {
    return set("is_decoder", value);
  }

  /** The config. */
  public C build() {
    return factory.apply(json);
  }

  private EncoderConfigBuilder<C> set(String key, @Nullable Object value) {
    json = json.with(key, value);
    return this;
  }
}
