package org.peftjava.transformers.model.gptj;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.config.ConfigJson;

/** Builds a {@link GptJConfig}; each method sets the key of its name. */
public final class GptJConfigBuilder {
  private final Optional<String> nameOrPath;
  private ConfigJson json;

  GptJConfigBuilder(ConfigJson json, Optional<String> nameOrPath) {
    this.json = json;
    this.nameOrPath = nameOrPath;
  }

  private GptJConfigBuilder with(String key, @Nullable Object value) {
    json = json.with(key, value);
    return this;
  }

  /** Number of tokens. */
  public GptJConfigBuilder vocabSize(int value) {
    return with("vocab_size", value);
  }

  /** The longest sequence. */
  public GptJConfigBuilder nPositions(int value) {
    return with("n_positions", value);
  }

  /** Length of a hidden state. */
  public GptJConfigBuilder nEmbd(int value) {
    return with("n_embd", value);
  }

  /** Number of layers. */
  public GptJConfigBuilder nLayer(int value) {
    return with("n_layer", value);
  }

  /** Number of heads. */
  public GptJConfigBuilder nHead(int value) {
    return with("n_head", value);
  }

  /** Inner size of the feed-forward blocks; null for four times the hidden size. */
  public GptJConfigBuilder nInner(@Nullable Integer value) {
    return with("n_inner", value);
  }

  /** Name of the nonlinearity. */
  public GptJConfigBuilder activationFunction(String value) {
    return with("activation_function", value);
  }

  /** Dropout after each block. */
  public GptJConfigBuilder residPdrop(double value) {
    return with("resid_pdrop", value);
  }

  /** Dropout after the embeddings. */
  public GptJConfigBuilder embdPdrop(double value) {
    return with("embd_pdrop", value);
  }

  /** Dropout inside attention. */
  public GptJConfigBuilder attnPdrop(double value) {
    return with("attn_pdrop", value);
  }

  /** What norms add to the variance. */
  public GptJConfigBuilder layerNormEpsilon(double value) {
    return with("layer_norm_epsilon", value);
  }

  /** Standard deviation of initial weights. */
  public GptJConfigBuilder initializerRange(double value) {
    return with("initializer_range", value);
  }

  /** Elements of a head that turn by position. */
  public GptJConfigBuilder rotaryDim(int value) {
    return with("rotary_dim", value);
  }

  /** Whether generation keeps keys and values. */
  public GptJConfigBuilder useCache(boolean value) {
    return with("use_cache", value);
  }

  /** Whether head and token embedding are one weight. */
  public GptJConfigBuilder tieWordEmbeddings(boolean value) {
    return with("tie_word_embeddings", value);
  }

  /** The padding token; null for none. */
  public GptJConfigBuilder padTokenId(@Nullable Long value) {
    return with("pad_token_id", value);
  }

  /** The token that begins a text; null for none. */
  public GptJConfigBuilder bosTokenId(@Nullable Long value) {
    return with("bos_token_id", value);
  }

  /** The tokens that end a text. */
  public GptJConfigBuilder eosTokenId(long... values) {
    List<Long> ids = Arrays.stream(values).boxed().toList();
    return with("eos_token_id", ids.isEmpty() ? null : ids.size() == 1 ? ids.get(0) : ids);
  }

  /** The config. */
  public GptJConfig build() {
    return new GptJConfig(json, nameOrPath);
  }
}
