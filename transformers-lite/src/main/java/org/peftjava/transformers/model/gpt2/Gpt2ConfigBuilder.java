package org.peftjava.transformers.model.gpt2;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.config.ConfigJson;

/** Builds a {@link Gpt2Config}; each method sets the key of its name. */
public final class Gpt2ConfigBuilder {
  private final Optional<String> nameOrPath;
  private ConfigJson json;

  Gpt2ConfigBuilder(ConfigJson json, Optional<String> nameOrPath) {
    this.json = json;
    this.nameOrPath = nameOrPath;
  }

  private Gpt2ConfigBuilder with(String key, @Nullable Object value) {
    json = json.with(key, value);
    return this;
  }

  /** Number of tokens. */
  public Gpt2ConfigBuilder vocabSize(int value) {
    return with("vocab_size", value);
  }

  /** The longest sequence. */
  public Gpt2ConfigBuilder nPositions(int value) {
    return with("n_positions", value);
  }

  /** Length of a hidden state. */
  public Gpt2ConfigBuilder nEmbd(int value) {
    return with("n_embd", value);
  }

  /** Number of layers. */
  public Gpt2ConfigBuilder nLayer(int value) {
    return with("n_layer", value);
  }

  /** Number of heads. */
  public Gpt2ConfigBuilder nHead(int value) {
    return with("n_head", value);
  }

  /** Inner size of the feed-forward blocks; null for four times the hidden size. */
  public Gpt2ConfigBuilder nInner(@Nullable Integer value) {
    return with("n_inner", value);
  }

  /** Name of the nonlinearity. */
  public Gpt2ConfigBuilder activationFunction(String value) {
    return with("activation_function", value);
  }

  /** Dropout after each block. */
  public Gpt2ConfigBuilder residPdrop(double value) {
    return with("resid_pdrop", value);
  }

  /** Dropout after the embeddings. */
  public Gpt2ConfigBuilder embdPdrop(double value) {
    return with("embd_pdrop", value);
  }

  /** Dropout inside attention. */
  public Gpt2ConfigBuilder attnPdrop(double value) {
    return with("attn_pdrop", value);
  }

  /** What norms add to the variance. */
  public Gpt2ConfigBuilder layerNormEpsilon(double value) {
    return with("layer_norm_epsilon", value);
  }

  /** Standard deviation of initial weights. */
  public Gpt2ConfigBuilder initializerRange(double value) {
    return with("initializer_range", value);
  }

  /** Whether scores are divided by the root of a head's size. */
  public Gpt2ConfigBuilder scaleAttnWeights(boolean value) {
    return with("scale_attn_weights", value);
  }

  /** Whether scores are divided by the number of the layer. */
  public Gpt2ConfigBuilder scaleAttnByInverseLayerIdx(boolean value) {
    return with("scale_attn_by_inverse_layer_idx", value);
  }

  /** Whether generation keeps keys and values. */
  public Gpt2ConfigBuilder useCache(boolean value) {
    return with("use_cache", value);
  }

  /** Whether head and token embedding are one weight. */
  public Gpt2ConfigBuilder tieWordEmbeddings(boolean value) {
    return with("tie_word_embeddings", value);
  }

  /** The padding token; null for none. */
  public Gpt2ConfigBuilder padTokenId(@Nullable Long value) {
    return with("pad_token_id", value);
  }

  /** The token that begins a text; null for none. */
  public Gpt2ConfigBuilder bosTokenId(@Nullable Long value) {
    return with("bos_token_id", value);
  }

  /** The tokens that end a text. */
  public Gpt2ConfigBuilder eosTokenId(long... values) {
    List<Long> ids = Arrays.stream(values).boxed().toList();
    return with("eos_token_id", ids.isEmpty() ? null : ids.size() == 1 ? ids.get(0) : ids);
  }

  /** The config. */
  public Gpt2Config build() {
    return new Gpt2Config(json, nameOrPath);
  }
}
