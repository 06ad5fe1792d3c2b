package org.peftjava.transformers.model.opt;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.peftjava.transformers.config.ConfigJson;

/** Builds an {@link OptConfig}; each method sets the component of its name. */
public final class OptConfigBuilder {
  private int vocabSize = 50272;
  private int hiddenSize = 768;
  private int numHiddenLayers = 12;
  private int ffnDim = 3072;
  private int maxPositionEmbeddings = 2048;
  private boolean doLayerNormBefore = true;
  private boolean removeFinalLayerNorm;
  private double dropout = 0.1;
  private double attentionDropout;
  private int numAttentionHeads = 12;
  private String activationFunction = "relu";
  private double layerdrop;
  private double initStd = 0.02;
  private boolean useCache = true;
  private boolean enableBias = true;
  private boolean layerNormElementwiseAffine = true;
  private boolean tieWordEmbeddings = true;
  private OptionalInt wordEmbedProjDim = OptionalInt.empty();
  private OptionalLong padTokenId = OptionalLong.of(1);
  private OptionalLong bosTokenId = OptionalLong.of(2);
  private List<Long> eosTokenIds = List.of(2L);
  private Optional<String> nameOrPath = Optional.empty();
  private ConfigJson source = ConfigJson.empty(Path.of("config.json"));

  OptConfigBuilder() {}

  OptConfigBuilder(OptConfig config) {
    vocabSize = config.vocabSize();
    hiddenSize = config.hiddenSize();
    numHiddenLayers = config.numHiddenLayers();
    ffnDim = config.ffnDim();
    maxPositionEmbeddings = config.maxPositionEmbeddings();
    doLayerNormBefore = config.doLayerNormBefore();
    removeFinalLayerNorm = config.removeFinalLayerNorm();
    dropout = config.dropout();
    attentionDropout = config.attentionDropout();
    numAttentionHeads = config.numAttentionHeads();
    activationFunction = config.activationFunction();
    layerdrop = config.layerdrop();
    initStd = config.initStd();
    useCache = config.useCache();
    enableBias = config.enableBias();
    layerNormElementwiseAffine = config.layerNormElementwiseAffine();
    tieWordEmbeddings = config.tieWordEmbeddings();
    wordEmbedProjDim = OptionalInt.of(config.wordEmbedProjDim());
    padTokenId = config.padTokenId();
    bosTokenId = config.bosTokenId();
    eosTokenIds = config.eosTokenIds();
    nameOrPath = config.nameOrPath();
    source = config.source();
  }

  /** Number of tokens. */
  public OptConfigBuilder vocabSize(int value) {
    vocabSize = value;
    return this;
  }

  /** Length of a hidden state. */
  public OptConfigBuilder hiddenSize(int value) {
    hiddenSize = value;
    return this;
  }

  /** Number of decoder layers. */
  public OptConfigBuilder numHiddenLayers(int value) {
    numHiddenLayers = value;
    return this;
  }

  /** Inner size of the feed-forward blocks. */
  public OptConfigBuilder ffnDim(int value) {
    ffnDim = value;
    return this;
  }

  /** The longest sequence. */
  public OptConfigBuilder maxPositionEmbeddings(int value) {
    maxPositionEmbeddings = value;
    return this;
  }

  /** Whether norms come before the blocks, or after. */
  public OptConfigBuilder doLayerNormBefore(boolean value) {
    doLayerNormBefore = value;
    return this;
  }

  /** Leaves out the norm after the last layer. */
  public OptConfigBuilder removeFinalLayerNorm(boolean value) {
    removeFinalLayerNorm = value;
    return this;
  }

  /** Dropout after each block. */
  public OptConfigBuilder dropout(double value) {
    dropout = value;
    return this;
  }

  /** Dropout inside attention. */
  public OptConfigBuilder attentionDropout(double value) {
    attentionDropout = value;
    return this;
  }

  /** Number of heads. */
  public OptConfigBuilder numAttentionHeads(int value) {
    numAttentionHeads = value;
    return this;
  }

  /** Name of the nonlinearity. */
  public OptConfigBuilder activationFunction(String value) {
    activationFunction = value;
    return this;
  }

  /** Probability to leave a layer out. */
  public OptConfigBuilder layerdrop(double value) {
    layerdrop = value;
    return this;
  }

  /** Standard deviation of initial weights. */
  public OptConfigBuilder initStd(double value) {
    initStd = value;
    return this;
  }

  /** Whether generation keeps keys and values. */
  public OptConfigBuilder useCache(boolean value) {
    useCache = value;
    return this;
  }

  /** Whether linear layers have a bias. */
  public OptConfigBuilder enableBias(boolean value) {
    enableBias = value;
    return this;
  }

  /** Whether norms have weights. */
  public OptConfigBuilder layerNormElementwiseAffine(boolean value) {
    layerNormElementwiseAffine = value;
    return this;
  }

  /** Whether head and token embedding are one weight. */
  public OptConfigBuilder tieWordEmbeddings(boolean value) {
    tieWordEmbeddings = value;
    return this;
  }

  /** Length of a token embedding; by default the hidden size. */
  public OptConfigBuilder wordEmbedProjDim(int value) {
    wordEmbedProjDim = OptionalInt.of(value);
    return this;
  }

  /** The token that fills short rows. */
  public OptConfigBuilder padTokenId(long id) {
    return padTokenId(OptionalLong.of(id));
  }

  /** The token that fills short rows; empty for none. */
  public OptConfigBuilder padTokenId(OptionalLong value) {
    padTokenId = value;
    return this;
  }

  /** The token that begins a text. */
  public OptConfigBuilder bosTokenId(long id) {
    return bosTokenId(OptionalLong.of(id));
  }

  /** The token that begins a text; empty for none. */
  public OptConfigBuilder bosTokenId(OptionalLong value) {
    bosTokenId = value;
    return this;
  }

  /** The tokens that end a text; none to give up on ends. */
  public OptConfigBuilder eosTokenId(long... ids) {
    eosTokenIds = Arrays.stream(ids).boxed().toList();
    return this;
  }

  /** Where the model came from. */
  public OptConfigBuilder nameOrPath(String value) {
    nameOrPath = Optional.of(value);
    return this;
  }

  /** The settings as they were read. */
  OptConfigBuilder source(ConfigJson value) {
    source = value;
    return this;
  }

  /** The configuration, checked. */
  public OptConfig build() {
    return new OptConfig(
        vocabSize,
        hiddenSize,
        numHiddenLayers,
        ffnDim,
        maxPositionEmbeddings,
        doLayerNormBefore,
        removeFinalLayerNorm,
        wordEmbedProjDim.orElse(hiddenSize),
        dropout,
        attentionDropout,
        numAttentionHeads,
        activationFunction,
        layerdrop,
        initStd,
        useCache,
        padTokenId,
        bosTokenId,
        eosTokenIds,
        enableBias,
        layerNormElementwiseAffine,
        tieWordEmbeddings,
        nameOrPath,
        source);
  }
}
