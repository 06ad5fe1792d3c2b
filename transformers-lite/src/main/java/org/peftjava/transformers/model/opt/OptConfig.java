package org.peftjava.transformers.model.opt;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;

/**
 * The configuration of an OPT model, with the names, meanings and defaults of transformers' {@code
 * OPTConfig}.
 *
 * @param vocabSize number of tokens
 * @param hiddenSize length of a hidden state
 * @param numHiddenLayers number of decoder layers
 * @param ffnDim inner size of the feed-forward blocks
 * @param maxPositionEmbeddings the longest sequence
 * @param doLayerNormBefore whether norms come before attention and feed-forward block, or after
 * @param removeFinalLayerNorm leaves out the norm after the last layer (old checkpoints)
 * @param wordEmbedProjDim length of a token embedding
 * @param dropout probability after each block, while training
 * @param attentionDropout probability inside attention, while training
 * @param numAttentionHeads number of heads; divides the hidden size
 * @param activationFunction name of the nonlinearity, such as "relu"
 * @param layerdrop probability to leave a layer out, while training
 * @param initStd standard deviation of initial weights
 * @param useCache whether generation keeps keys and values
 * @param padTokenId fills short rows; its embedding starts as zero
 * @param bosTokenId begins a text
 * @param eosTokenIds end a text
 * @param enableBias whether linear layers have a bias
 * @param layerNormElementwiseAffine whether norms have weights
 * @param tieWordEmbeddings whether head and token embedding are one weight
 * @param nameOrPath where the model came from
 * @param source the settings as they were read, with those that are not listed here
 */
public record OptConfig(
    int vocabSize,
    int hiddenSize,
    int numHiddenLayers,
    int ffnDim,
    int maxPositionEmbeddings,
    boolean doLayerNormBefore,
    boolean removeFinalLayerNorm,
    int wordEmbedProjDim,
    double dropout,
    double attentionDropout,
    int numAttentionHeads,
    String activationFunction,
    double layerdrop,
    double initStd,
    boolean useCache,
    OptionalLong padTokenId,
    OptionalLong bosTokenId,
    List<Long> eosTokenIds,
    boolean enableBias,
    boolean layerNormElementwiseAffine,
    boolean tieWordEmbeddings,
    Optional<String> nameOrPath,
    ConfigJson source)
    implements PretrainedConfig {

  static final String MODEL_TYPE = "opt";

  /** Checks sizes and probabilities, whichever way the settings came in. */
  public OptConfig {
    eosTokenIds = List.copyOf(eosTokenIds);
    positive("vocab_size", vocabSize);
    positive("hidden_size", hiddenSize);
    positive("num_hidden_layers", numHiddenLayers);
    positive("ffn_dim", ffnDim);
    positive("max_position_embeddings", maxPositionEmbeddings);
    positive("word_embed_proj_dim", wordEmbedProjDim);
    positive("num_attention_heads", numAttentionHeads);
    probability("dropout", dropout);
    probability("attention_dropout", attentionDropout);
    probability("layerdrop", layerdrop);
    if (hiddenSize % numAttentionHeads != 0) {
      throw new IllegalArgumentException(
          "hidden_size ("
              + hiddenSize
              + ") must be divisible by num_attention_heads ("
              + numAttentionHeads
              + "). Correct config.json.");
    }
    if (padTokenId.isPresent()
        && (padTokenId.getAsLong() < 0 || padTokenId.getAsLong() >= vocabSize)) {
      throw new IllegalArgumentException(
          "pad_token_id is "
              + padTokenId.getAsLong()
              + ". Expected 0 to "
              + (vocabSize - 1)
              + ", or null for none.");
    }
  }

  /** The defaults of transformers: the shape of opt-125m. */
  public static OptConfigBuilder builder() {
    return new OptConfigBuilder();
  }

  /** A builder with these values. */
  public OptConfigBuilder toBuilder() {
    return new OptConfigBuilder(this);
  }

  /** Reads the settings; absent ones get transformers' defaults. */
  public static OptConfig of(ConfigJson json) {
    return OptConfigJson.read(json);
  }

  @Override
  public String modelType() {
    return MODEL_TYPE;
  }

  @Override
  public double initialStd() {
    return initStd;
  }

  @Override
  public PretrainedConfig withNameOrPath(String name) {
    return toBuilder().nameOrPath(name).build();
  }

  @Override
  public ConfigJson json() {
    return OptConfigJson.write(this);
  }

  private static void positive(String name, int value) {
    if (value <= 0) {
      throw new IllegalArgumentException(
          name + " is " + value + ". Expected a number above 0. Correct config.json.");
    }
  }

  private static void probability(String name, double value) {
    if (!(value >= 0 && value < 1)) {
      throw new IllegalArgumentException(
          name + " is " + value + ". Expected a probability from 0 to below 1.");
    }
  }
}
