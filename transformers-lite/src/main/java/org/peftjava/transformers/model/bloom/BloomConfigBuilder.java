package org.peftjava.transformers.model.bloom;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.config.ConfigJson;

/** Builds a {@link BloomConfig}; each method sets the key of its name. */
public final class BloomConfigBuilder {
  private final Optional<String> nameOrPath;
  private ConfigJson json;

  BloomConfigBuilder(ConfigJson json, Optional<String> nameOrPath) {
    this.json = json;
    this.nameOrPath = nameOrPath;
  }

  private BloomConfigBuilder with(String key, @Nullable Object value) {
    json = json.with(key, value);
    return this;
  }

  /** Number of tokens. */
  public BloomConfigBuilder vocabSize(int value) {
    return with("vocab_size", value);
  }

  /** Length of a hidden state. */
  public BloomConfigBuilder hiddenSize(int value) {
    return with("hidden_size", value);
  }

  /** Number of layers. */
  public BloomConfigBuilder nLayer(int value) {
    return with("n_layer", value);
  }

  /** Number of heads. */
  public BloomConfigBuilder nHead(int value) {
    return with("n_head", value);
  }

  /** What norms add to the variance. */
  public BloomConfigBuilder layerNormEpsilon(double value) {
    return with("layer_norm_epsilon", value);
  }

  /** Standard deviation of initial weights. */
  public BloomConfigBuilder initializerRange(double value) {
    return with("initializer_range", value);
  }

  /** Whether residual connections begin behind the norms. */
  public BloomConfigBuilder applyResidualConnectionPostLayernorm(boolean value) {
    return with("apply_residual_connection_post_layernorm", value);
  }

  /** Dropout after each block. */
  public BloomConfigBuilder hiddenDropout(double value) {
    return with("hidden_dropout", value);
  }

  /** Dropout inside attention. */
  public BloomConfigBuilder attentionDropout(double value) {
    return with("attention_dropout", value);
  }

  /** Whether generation keeps keys and values. */
  public BloomConfigBuilder useCache(boolean value) {
    return with("use_cache", value);
  }

  /** Whether head and token embedding are one weight. */
  public BloomConfigBuilder tieWordEmbeddings(boolean value) {
    return with("tie_word_embeddings", value);
  }

  /** The padding token; null for none. */
  public BloomConfigBuilder padTokenId(@Nullable Long value) {
    return with("pad_token_id", value);
  }

  /** The token that begins a text; null for none. */
  public BloomConfigBuilder bosTokenId(@Nullable Long value) {
    return with("bos_token_id", value);
  }

  /** The tokens that end a text. */
  public BloomConfigBuilder eosTokenId(long... values) {
    List<Long> ids = Arrays.stream(values).boxed().toList();
    return with("eos_token_id", ids.isEmpty() ? null : ids.size() == 1 ? ids.get(0) : ids);
  }

  /** The config. */
  public BloomConfig build() {
    return new BloomConfig(json, nameOrPath);
  }
}
