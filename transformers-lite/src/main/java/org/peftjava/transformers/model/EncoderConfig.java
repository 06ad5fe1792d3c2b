package org.peftjava.transformers.model;

import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.peftjava.transformers.config.ConfigDefaults;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;

/** The settings of encoders built like BERT, read from their JSON under transformers' names. */
public interface EncoderConfig extends PretrainedConfig {
  @Override
  default String modelType() {
    return json().getString("model_type");
  }

  @Override
  default int vocabSize() {
    return json().getInt("vocab_size");
  }

  @Override
  default int hiddenSize() {
    return json().getInt("hidden_size");
  }

  /** Length of a token's vector; the hidden size but for models that bring it there. */
  default int embeddingSize() {
    return hiddenSize();
  }

  @Override
  default int numHiddenLayers() {
    return json().getInt("num_hidden_layers");
  }

  /** Number of attention heads; divides the hidden size. */
  default int numAttentionHeads() {
    return json().getInt("num_attention_heads");
  }

  /** Inner size of the feed-forward blocks. */
  default int intermediateSize() {
    return json().getInt("intermediate_size");
  }

  /** Name of the nonlinearity, such as "gelu". */
  default String hiddenAct() {
    return json().getString("hidden_act");
  }

  /** Dropout probability after the embeddings and each block, while training. */
  default double hiddenDropoutProb() {
    return json().getDouble("hidden_dropout_prob");
  }

  /** Dropout probability inside attention, while training. */
  default double attentionProbsDropoutProb() {
    return json().getDouble("attention_probs_dropout_prob");
  }

  @Override
  default int maxPositionEmbeddings() {
    return json().getInt("max_position_embeddings");
  }

  /** Number of token types (segments). */
  default int typeVocabSize() {
    return json().getInt("type_vocab_size");
  }

  /** What norms add to the variance. */
  default double layerNormEps() {
    return json().getDouble("layer_norm_eps");
  }

  /** Dropout probability before a classifier: its own, else that of the blocks. */
  default double classifierDropout() {
    OptionalDouble own = json().findDouble("classifier_dropout");
    return own.orElse(hiddenDropoutProb());
  }

  /** Whether a token sees those before it only, as a causal language model needs. */
  default boolean isDecoder() {
    return json().getBoolean("is_decoder", false);
  }

  /** Throws unless tokens see those before them only, for heads that tell the next one. */
  static void checkDecoder(PretrainedConfig config) {
    if (!config.json().getBoolean("is_decoder", false)) {
      throw new IllegalArgumentException(
          "is_decoder is false: every token would see the next one, which the model shall tell."
              + " Load it with isDecoder(true), or set is_decoder in config.json.");
    }
  }

  @Override
  default boolean tieWordEmbeddings() {
    return json().getBoolean("tie_word_embeddings", true);
  }

  @Override
  default double initialStd() {
    return json().getDouble("initializer_range");
  }

  @Override
  default OptionalLong padTokenId() {
    return json().findLong("pad_token_id");
  }

  @Override
  default OptionalLong bosTokenId() {
    return json().findLong("bos_token_id");
  }

  @Override
  default List<Long> eosTokenIds() {
    return json().getLongs("eos_token_id");
  }

  /** Checks the settings of such an encoder. */
  static void check(ConfigJson json) {
    ConfigDefaults.positive(
        json,
        "vocab_size",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "max_position_embeddings",
        "type_vocab_size");
    ConfigDefaults.probability(
        json, "hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout");
    ConfigDefaults.divisible(json, "hidden_size", "num_attention_heads");
    ConfigDefaults.padding(json);
    ConfigDefaults.off(json, "add_cross_attention");
    String positions = json.getString("position_embedding_type", "absolute");
    if (!positions.equals("absolute")) {
      throw json.invalid("position_embedding_type", "expected \"absolute\".");
    }
  }
}
