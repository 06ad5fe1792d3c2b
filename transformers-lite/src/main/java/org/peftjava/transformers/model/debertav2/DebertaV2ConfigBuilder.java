package org.peftjava.transformers.model.debertav2;

import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.Labels;

/** Builds a {@link DebertaV2Config}; each method sets the value of its name. */
public final class DebertaV2ConfigBuilder {
  private ConfigJson json;

  DebertaV2ConfigBuilder(ConfigJson json) {
    this.json = json;
  }

  /** Number of tokens. */
  public DebertaV2ConfigBuilder vocabSize(int value) {
    return set("vocab_size", value);
  }

  /** Length of a hidden state. */
  public DebertaV2ConfigBuilder hiddenSize(int value) {
    return set("hidden_size", value);
  }

  /** Number of layers. */
  public DebertaV2ConfigBuilder numHiddenLayers(int value) {
    return set("num_hidden_layers", value);
  }

  /** Number of attention heads. */
  public DebertaV2ConfigBuilder numAttentionHeads(int value) {
    return set("num_attention_heads", value);
  }

  /** Inner size of the feed-forward blocks. */
  public DebertaV2ConfigBuilder intermediateSize(int value) {
    return set("intermediate_size", value);
  }

  /** Name of the nonlinearity. */
  public DebertaV2ConfigBuilder hiddenAct(String value) {
    return set("hidden_act", value);
  }

  /** Dropout after the embeddings and each block. */
  public DebertaV2ConfigBuilder hiddenDropoutProb(double value) {
    return set("hidden_dropout_prob", value);
  }

  /** Dropout inside attention. */
  public DebertaV2ConfigBuilder attentionProbsDropoutProb(double value) {
    return set("attention_probs_dropout_prob", value);
  }

  /** Number of positions. */
  public DebertaV2ConfigBuilder maxPositionEmbeddings(int value) {
    return set("max_position_embeddings", value);
  }

  /** Number of token types, 0 for none. */
  public DebertaV2ConfigBuilder typeVocabSize(int value) {
    return set("type_vocab_size", value);
  }

  /** Standard deviation of initial weights. */
  public DebertaV2ConfigBuilder initializerRange(double value) {
    return set("initializer_range", value);
  }

  /** What norms add to the variance. */
  public DebertaV2ConfigBuilder layerNormEps(double value) {
    return set("layer_norm_eps", value);
  }

  /** Whether tokens attend by their distance, too. */
  public DebertaV2ConfigBuilder relativeAttention(boolean value) {
    return set("relative_attention", value);
  }

  /** The distance from which on all are one; -1 for the number of positions. */
  public DebertaV2ConfigBuilder maxRelativePositions(int value) {
    return set("max_relative_positions", value);
  }

  /** Number of classes of distances in each direction. */
  public DebertaV2ConfigBuilder positionBuckets(int value) {
    return set("position_buckets", value);
  }

  /** Terms of distances in the attention: "c2p", "p2c". */
  public DebertaV2ConfigBuilder posAttType(String... value) {
    return set("pos_att_type", List.of(value));
  }

  /** Whether vectors of distances go through the projections of the tokens. */
  public DebertaV2ConfigBuilder shareAttKey(boolean value) {
    return set("share_att_key", value);
  }

  /** "layer_norm" to normalise the vectors of distances, "none" to leave them. */
  public DebertaV2ConfigBuilder normRelEbd(String value) {
    return set("norm_rel_ebd", value);
  }

  /** Whether a vector of its position is added to each token. */
  public DebertaV2ConfigBuilder positionBiasedInput(boolean value) {
    return set("position_biased_input", value);
  }

  /** Length of a token's vector. */
  public DebertaV2ConfigBuilder embeddingSize(int value) {
    return set("embedding_size", value);
  }

  /** Width of the convolution beside the first layer, 0 for none. */
  public DebertaV2ConfigBuilder convKernelSize(int value) {
    return set("conv_kernel_size", value);
  }

  /** Number of groups of channels that the convolution keeps apart. */
  public DebertaV2ConfigBuilder convGroups(int value) {
    return set("conv_groups", value);
  }

  /** Name of the nonlinearity behind the convolution. */
  public DebertaV2ConfigBuilder convAct(String value) {
    return set("conv_act", value);
  }

  /** Dropout before the pooler. */
  public DebertaV2ConfigBuilder poolerDropout(double value) {
    return set("pooler_dropout", value);
  }

  /** Name of the nonlinearity behind the pooler. */
  public DebertaV2ConfigBuilder poolerHiddenAct(String value) {
    return set("pooler_hidden_act", value);
  }

  /** Dropout before the classifier of texts. */
  public DebertaV2ConfigBuilder clsDropout(double value) {
    return set("cls_dropout", value);
  }

  /** Whether masked tokens are told by a head of BERT's form. */
  public DebertaV2ConfigBuilder legacy(boolean value) {
    return set("legacy", value);
  }

  /** Whether the head over tokens and the token embedding are one weight. */
  public DebertaV2ConfigBuilder tieWordEmbeddings(boolean value) {
    return set("tie_word_embeddings", value);
  }

  /** "regression", "single_label_classification" or "multi_label_classification". */
  public DebertaV2ConfigBuilder problemType(String value) {
    return set("problem_type", value);
  }

  /** The token that fills short rows; empty for none. */
  public DebertaV2ConfigBuilder padTokenId(OptionalLong value) {
    return set("pad_token_id", value.isPresent() ? value.getAsLong() : null);
  }

  /** Number of labels of a classifier. */
  public DebertaV2ConfigBuilder numLabels(int value) {
    json = Labels.withCount(json, value);
    return this;
  }

  /** Names of a classifier's labels, by number from 0 on. */
  public DebertaV2ConfigBuilder id2label(Map<Integer, String> value) {
    json = Labels.withNames(json, value);
    return this;
  }

  /** The config. */
  public DebertaV2Config build() {
    return DebertaV2Config.of(json);
  }

  private DebertaV2ConfigBuilder set(String key, @Nullable Object value) {
    json = json.with(key, value);
    return this;
  }
}
