package org.peftjava.transformers.model.t5;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;

/**
 * The configuration of a T5 or mT5 model, with the names, meanings and defaults of transformers'
 * {@code T5Config} and {@code MT5Config}.
 *
 * @param modelType "t5" or "mt5"
 * @param vocabSize number of tokens
 * @param dModel length of a hidden state
 * @param dKv size of an attention head; heads times this need not be the hidden size
 * @param dFf inner size of the feed-forward blocks
 * @param numLayers number of encoder layers
 * @param numDecoderLayers number of decoder layers
 * @param numHeads number of attention heads
 * @param relativeAttentionNumBuckets how many classes of distances between tokens there are
 * @param relativeAttentionMaxDistance from this distance on, all are in one class
 * @param dropoutRate probability after each block and inside it, while training
 * @param layerNormEpsilon what is added to the mean square
 * @param initializerFactor scales the initial weights
 * @param feedForwardProj nonlinearity of the feed-forward blocks, such as "relu" (v1.0) or
 *     "gated-gelu" (v1.1, flan, mT5)
 * @param useCache whether generation keeps keys and values
 * @param padTokenId fills short rows
 * @param bosTokenId begins a text; T5 has none
 * @param eosTokenIds end a text
 * @param decoderStartTokenId what the decoder's input begins with
 * @param scaleDecoderOutputs whether hidden states are scaled by {@code dModel^-0.5} before the
 *     head (v1.0)
 * @param nameOrPath where the model came from
 * @param source the settings as they were read, with those that are not listed here
 */
public record T5Config(
    String modelType,
    int vocabSize,
    int dModel,
    int dKv,
    int dFf,
    int numLayers,
    int numDecoderLayers,
    int numHeads,
    int relativeAttentionNumBuckets,
    int relativeAttentionMaxDistance,
    double dropoutRate,
    double layerNormEpsilon,
    double initializerFactor,
    String feedForwardProj,
    boolean useCache,
    OptionalLong padTokenId,
    OptionalLong bosTokenId,
    List<Long> eosTokenIds,
    OptionalLong decoderStartTokenId,
    boolean scaleDecoderOutputs,
    Optional<String> nameOrPath,
    ConfigJson source)
    implements PretrainedConfig {

  static final String T5 = "t5";
  static final String MT5 = "mt5";
  private static final int FEWEST_BUCKETS = 4;

  /** Checks sizes and probabilities, whichever way the settings came in. */
  public T5Config {
    eosTokenIds = List.copyOf(eosTokenIds);
    positive("vocab_size", vocabSize);
    positive("d_model", dModel);
    positive("d_kv", dKv);
    positive("d_ff", dFf);
    positive("num_layers", numLayers);
    positive("num_decoder_layers", numDecoderLayers);
    positive("num_heads", numHeads);
    if (relativeAttentionNumBuckets < FEWEST_BUCKETS || relativeAttentionMaxDistance < 1) {
      throw new IllegalArgumentException(
          "relative_attention_num_buckets is "
              + relativeAttentionNumBuckets
              + " and relative_attention_max_distance is "
              + relativeAttentionMaxDistance
              + ". Expected at least "
              + FEWEST_BUCKETS
              + " buckets and a distance above 0. Correct config.json.");
    }
    if (!(dropoutRate >= 0 && dropoutRate < 1)) {
      throw new IllegalArgumentException(
          "dropout_rate is " + dropoutRate + ". Expected a probability from 0 to below 1.");
    }
    T5Activation.parse(feedForwardProj);
    inVocabulary("pad_token_id", padTokenId, vocabSize);
    inVocabulary("decoder_start_token_id", decoderStartTokenId, vocabSize);
  }

  /** The defaults of transformers' {@code T5Config}: the shape of t5-small. */
  public static T5ConfigBuilder builder() {
    return new T5ConfigBuilder(T5);
  }

  /** The defaults of transformers' {@code MT5Config}: the shape of mt5-small. */
  public static T5ConfigBuilder mt5Builder() {
    return new T5ConfigBuilder(MT5);
  }

  /** A builder with these values. */
  public T5ConfigBuilder toBuilder() {
    return new T5ConfigBuilder(this);
  }

  /** Reads the settings; absent ones get transformers' defaults for {@code modelType}. */
  static T5Config of(ConfigJson json, String modelType) {
    return T5ConfigJson.read(json, modelType);
  }

  @Override
  public int hiddenSize() {
    return dModel;
  }

  @Override
  public int numHiddenLayers() {
    return numLayers;
  }

  /** Relative positions have no end. */
  @Override
  public int maxPositionEmbeddings() {
    return Integer.MAX_VALUE;
  }

  /** Always: whether head and embedding differ is seen in the weights, as transformers 5 does. */
  @Override
  public boolean tieWordEmbeddings() {
    return true;
  }

  /** T5 v1.1 has one; transformers 5 writes for it too that the weights are tied. */
  @Override
  public boolean mayHoldAnotherHead() {
    return true;
  }

  @Override
  public double initialStd() {
    return initializerFactor;
  }

  @Override
  public PretrainedConfig withNameOrPath(String name) {
    return toBuilder().nameOrPath(name).build();
  }

  @Override
  public ConfigJson json() {
    return T5ConfigJson.write(this);
  }

  private static void positive(String name, int value) {
    if (value <= 0) {
      throw new IllegalArgumentException(
          name + " is " + value + ". Expected a number above 0. Correct config.json.");
    }
  }

  private static void inVocabulary(String name, OptionalLong id, int vocabSize) {
    if (id.isPresent() && (id.getAsLong() < 0 || id.getAsLong() >= vocabSize)) {
      throw new IllegalArgumentException(
          name
              + " is "
              + id.getAsLong()
              + ". Expected 0 to "
              + (vocabSize - 1)
              + ", or null for none.");
    }
  }
}
