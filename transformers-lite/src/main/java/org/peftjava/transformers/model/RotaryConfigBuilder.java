package org.peftjava.transformers.model;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.config.ConfigJson;

/**
 * The settings that the builders of Llama's and its relatives' configs share; each method sets the
 * key of its name.
 *
 * @param <B> the implementing type itself
 */
public abstract class RotaryConfigBuilder<B extends RotaryConfigBuilder<B>> {
  private ConfigJson json;

  /** A builder that starts from these settings. */
  protected RotaryConfigBuilder(ConfigJson json) {
    this.json = json;
  }

  /** This. */
  protected abstract B self();

  /** The settings so far. */
  protected final ConfigJson json() {
    return json;
  }

  /** Sets any key. */
  protected final B with(String key, @Nullable Object value) {
    json = json.with(key, value);
    return self();
  }

  /** Number of tokens. */
  public final B vocabSize(int value) {
    return with("vocab_size", value);
  }

  /** Length of a hidden state. */
  public final B hiddenSize(int value) {
    return with("hidden_size", value);
  }

  /** Inner size of the feed-forward blocks. */
  public final B intermediateSize(int value) {
    return with("intermediate_size", value);
  }

  /** Number of decoder layers. */
  public final B numHiddenLayers(int value) {
    return with("num_hidden_layers", value);
  }

  /** Number of heads that ask. */
  public final B numAttentionHeads(int value) {
    return with("num_attention_heads", value);
  }

  /** Number of heads that are asked. */
  public final B numKeyValueHeads(int value) {
    return with("num_key_value_heads", value);
  }

  /** Size of a head. */
  public final B headDim(int value) {
    return with("head_dim", value);
  }

  /** The longest sequence of training. */
  public final B maxPositionEmbeddings(int value) {
    return with("max_position_embeddings", value);
  }

  /** Standard deviation of initial weights. */
  public final B initializerRange(double value) {
    return with("initializer_range", value);
  }

  /** What norms add to the mean square. */
  public final B rmsNormEps(double value) {
    return with("rms_norm_eps", value);
  }

  /** Probability inside attention, while training. */
  public final B attentionDropout(double value) {
    return with("attention_dropout", value);
  }

  /** How positions become angles, under Python's names, such as rope_type and rope_theta. */
  public final B ropeParameters(Map<String, ?> value) {
    return with("rope_parameters", value);
  }

  /** Whether generation keeps keys and values. */
  public final B useCache(boolean value) {
    return with("use_cache", value);
  }

  /** Whether head and token embedding are one weight. */
  public final B tieWordEmbeddings(boolean value) {
    return with("tie_word_embeddings", value);
  }

  /** The padding token, or none. */
  public final B padTokenId(OptionalLong value) {
    return with("pad_token_id", value.isPresent() ? value.getAsLong() : null);
  }

  /** The token that begins a text, or none. */
  public final B bosTokenId(OptionalLong value) {
    return with("bos_token_id", value.isPresent() ? value.getAsLong() : null);
  }

  /** The tokens that end a text. */
  public final B eosTokenId(long... values) {
    List<Long> ids = Arrays.stream(values).boxed().toList();
    return with("eos_token_id", ids.isEmpty() ? null : ids.size() == 1 ? ids.get(0) : ids);
  }
}
