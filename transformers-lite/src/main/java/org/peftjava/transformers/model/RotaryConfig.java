package org.peftjava.transformers.model;

import java.util.List;
import java.util.OptionalLong;
import org.peftjava.transformers.config.PretrainedConfig;

/**
 * The settings that Llama and its relatives have in common, under their names in {@code
 * config.json}. A config is that JSON object, completed by the architecture's defaults and checked
 * ({@link RotaryConfigJson}).
 */
public interface RotaryConfig extends PretrainedConfig {
  @Override
  default int vocabSize() {
    return json().getInt("vocab_size");
  }

  @Override
  default int hiddenSize() {
    return json().getInt("hidden_size");
  }

  /** Inner size of the feed-forward blocks. */
  default int intermediateSize() {
    return json().getInt("intermediate_size");
  }

  @Override
  default int numHiddenLayers() {
    return json().getInt("num_hidden_layers");
  }

  /** Number of heads that ask. */
  default int numAttentionHeads() {
    return json().getInt("num_attention_heads");
  }

  /** Number of heads that are asked; divides {@link #numAttentionHeads}. */
  default int numKeyValueHeads() {
    return json().getInt("num_key_value_heads");
  }

  /** Size of a head. */
  default int headDim() {
    return json().getInt("head_dim", hiddenSize() / numAttentionHeads());
  }

  /** Name of the nonlinearity, such as "silu". */
  default String hiddenAct() {
    return json().getString("hidden_act");
  }

  @Override
  default int maxPositionEmbeddings() {
    return json().getInt("max_position_embeddings");
  }

  /** Rotations go on beyond the longest sequence of training; the model's quality need not. */
  @Override
  default int longestSequence() {
    return UNLIMITED;
  }

  @Override
  default double initialStd() {
    return json().getDouble("initializer_range");
  }

  /** What norms add to the mean square. */
  default double rmsNormEps() {
    return json().getDouble("rms_norm_eps");
  }

  /** Probability inside attention, while training. */
  default double attentionDropout() {
    return json().getDouble("attention_dropout", 0);
  }

  /** Probability behind the token embedding, while training. */
  default double embeddingDropout() {
    return 0;
  }

  /** What token vectors are multiplied with before the first layer. */
  default double embeddingMultiplier() {
    return 1;
  }

  @Override
  default boolean tieWordEmbeddings() {
    return json().getBoolean("tie_word_embeddings");
  }

  @Override
  default OptionalLong padTokenId() {
    return json().findLong("pad_token_id");
  }

  /** The row of the token embedding that gets no gradient: the padding token's. */
  default OptionalLong paddingRow() {
    OptionalLong token = padTokenId();
    return token.isPresent() && token.getAsLong() < 0
        ? OptionalLong.of(vocabSize() + token.getAsLong())
        : token;
  }

  @Override
  default OptionalLong bosTokenId() {
    return json().findLong("bos_token_id");
  }

  @Override
  default List<Long> eosTokenIds() {
    return json().getLongs("eos_token_id");
  }

  /** How far back this layer looks. */
  default LayerType layerType(int layer) {
    return json().has("layer_types")
        ? LayerType.of(json(), numHiddenLayers()).get(layer)
        : slides() ? LayerType.SLIDING : LayerType.FULL;
  }

  /** Whether there are layers that see a window only. */
  default boolean slides() {
    return json().has("layer_types")
        ? LayerType.of(json(), numHiddenLayers()).contains(LayerType.SLIDING)
        : json().has("sliding_window");
  }

  /** The number of tokens that a sliding layer sees; 0 where none slides. */
  default long window() {
    return slides() ? json().getLong("sliding_window") : 0;
  }

  /** How this type of layer turns positions into angles. */
  default RopeParameters rope(LayerType type) {
    return RopeJson.read(json(), type);
  }
}
