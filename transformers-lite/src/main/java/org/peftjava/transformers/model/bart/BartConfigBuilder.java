package org.peftjava.transformers.model.bart;

import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.Labels;

/** Builds a {@link BartConfig}; each method sets the value of its name. */
public final class BartConfigBuilder {
  private ConfigJson json;

  BartConfigBuilder(ConfigJson json) {
    this.json = json;
  }

  /** Number of tokens. */
  public BartConfigBuilder vocabSize(int value) {
    return set("vocab_size", value);
  }

  /** Number of positions. */
  public BartConfigBuilder maxPositionEmbeddings(int value) {
    return set("max_position_embeddings", value);
  }

  /** Length of a hidden state. */
  public BartConfigBuilder dModel(int value) {
    return set("d_model", value);
  }

  /** Number of layers of the encoder. */
  public BartConfigBuilder encoderLayers(int value) {
    return set("encoder_layers", value);
  }

  /** Inner size of the encoder's feed-forward blocks. */
  public BartConfigBuilder encoderFfnDim(int value) {
    return set("encoder_ffn_dim", value);
  }

  /** Number of attention heads of the encoder. */
  public BartConfigBuilder encoderAttentionHeads(int value) {
    return set("encoder_attention_heads", value);
  }

  /** Probability to leave a layer of the encoder out, while training. */
  public BartConfigBuilder encoderLayerdrop(double value) {
    return set("encoder_layerdrop", value);
  }

  /** Number of layers of the decoder. */
  public BartConfigBuilder decoderLayers(int value) {
    return set("decoder_layers", value);
  }

  /** Inner size of the decoder's feed-forward blocks. */
  public BartConfigBuilder decoderFfnDim(int value) {
    return set("decoder_ffn_dim", value);
  }

  /** Number of attention heads of the decoder. */
  public BartConfigBuilder decoderAttentionHeads(int value) {
    return set("decoder_attention_heads", value);
  }

  /** Probability to leave a layer of the decoder out, while training. */
  public BartConfigBuilder decoderLayerdrop(double value) {
    return set("decoder_layerdrop", value);
  }

  /** Name of the nonlinearity. */
  public BartConfigBuilder activationFunction(String value) {
    return set("activation_function", value);
  }

  /** Dropout after the embeddings and each block. */
  public BartConfigBuilder dropout(double value) {
    return set("dropout", value);
  }

  /** Dropout inside attention. */
  public BartConfigBuilder attentionDropout(double value) {
    return set("attention_dropout", value);
  }

  /** Dropout inside the feed-forward blocks. */
  public BartConfigBuilder activationDropout(double value) {
    return set("activation_dropout", value);
  }

  /** Dropout of the classifier. */
  public BartConfigBuilder classifierDropout(double value) {
    return set("classifier_dropout", value);
  }

  /** Standard deviation of initial weights. */
  public BartConfigBuilder initStd(double value) {
    return set("init_std", value);
  }

  /** Whether token vectors are multiplied with the root of their size. */
  public BartConfigBuilder scaleEmbedding(boolean value) {
    return set("scale_embedding", value);
  }

  /** The token with which the decoder's input begins. */
  public BartConfigBuilder decoderStartTokenId(long value) {
    return set("decoder_start_token_id", value);
  }

  /** The token that generation ends with at its last length. */
  public BartConfigBuilder forcedEosTokenId(long value) {
    return set("forced_eos_token_id", value);
  }

  /** Whether the head and the token embeddings of both stacks are one weight. */
  public BartConfigBuilder tieWordEmbeddings(boolean value) {
    return set("tie_word_embeddings", value);
  }

  /** The token that fills short rows; empty for none. */
  public BartConfigBuilder padTokenId(OptionalLong value) {
    return set("pad_token_id", value.isPresent() ? value.getAsLong() : null);
  }

  /** The token that ends a text. */
  public BartConfigBuilder eosTokenId(long value) {
    return set("eos_token_id", value);
  }

  /** Number of labels of a classifier. */
  public BartConfigBuilder numLabels(int value) {
    json = Labels.withCount(json, value);
    return this;
  }

  /** The config. */
  public BartConfig build() {
    return BartConfig.of(json);
  }

  private BartConfigBuilder set(String key, @Nullable Object value) {
    json = json.with(key, value);
    return this;
  }
}
