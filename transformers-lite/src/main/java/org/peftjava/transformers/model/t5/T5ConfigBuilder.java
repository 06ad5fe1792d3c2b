package org.peftjava.transformers.model.t5;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.peftjava.transformers.config.ConfigJson;

/** Builds a {@link T5Config}; each method sets the component of its name. */
public final class T5ConfigBuilder {
  private final String modelType;
  private int vocabSize = 32128;
  private int dModel = 512;
  private int dKv = 64;
  private int dFf = 2048;
  private int numLayers = 6;
  private int numHeads = 8;
  private int relativeAttentionNumBuckets = 32;
  private int relativeAttentionMaxDistance = 128;
  private double dropoutRate = 0.1;
  private double layerNormEpsilon = 1e-6;
  private double initializerFactor = 1;
  private String feedForwardProj = "relu";
  private boolean useCache = true;
  private boolean scaleDecoderOutputs = true;
  private OptionalInt numDecoderLayers = OptionalInt.empty();
  private OptionalLong padTokenId = OptionalLong.of(0);
  private OptionalLong bosTokenId = OptionalLong.empty();
  private OptionalLong decoderStartTokenId = OptionalLong.empty();
  private List<Long> eosTokenIds = List.of(1L);
  private Optional<String> nameOrPath = Optional.empty();
  private ConfigJson source = ConfigJson.empty(Path.of("config.json"));

  T5ConfigBuilder(String modelType) {
    this.modelType = modelType;
    if (modelType.equals(T5Config.MT5)) {
      vocabSize = 250112;
      dFf = 1024;
      numLayers = 8;
      numHeads = 6;
      feedForwardProj = "gated-gelu";
      decoderStartTokenId = OptionalLong.of(0);
      scaleDecoderOutputs = false;
    }
  }

  T5ConfigBuilder(T5Config config) {
    modelType = config.modelType();
    vocabSize = config.vocabSize();
    dModel = config.dModel();
    dKv = config.dKv();
    dFf = config.dFf();
    numLayers = config.numLayers();
    numHeads = config.numHeads();
    relativeAttentionNumBuckets = config.relativeAttentionNumBuckets();
    relativeAttentionMaxDistance = config.relativeAttentionMaxDistance();
    dropoutRate = config.dropoutRate();
    layerNormEpsilon = config.layerNormEpsilon();
    initializerFactor = config.initializerFactor();
    feedForwardProj = config.feedForwardProj();
    useCache = config.useCache();
    scaleDecoderOutputs = config.scaleDecoderOutputs();
    numDecoderLayers = OptionalInt.of(config.numDecoderLayers());
    padTokenId = config.padTokenId();
    bosTokenId = config.bosTokenId();
    decoderStartTokenId = config.decoderStartTokenId();
    eosTokenIds = config.eosTokenIds();
    nameOrPath = config.nameOrPath();
    source = config.source();
  }

  /** Number of tokens. */
  public T5ConfigBuilder vocabSize(int value) {
    vocabSize = value;
    return this;
  }

  /** Length of a hidden state. */
  public T5ConfigBuilder dModel(int value) {
    dModel = value;
    return this;
  }

  /** Size of an attention head. */
  public T5ConfigBuilder dKv(int value) {
    dKv = value;
    return this;
  }

  /** Inner size of the feed-forward blocks. */
  public T5ConfigBuilder dFf(int value) {
    dFf = value;
    return this;
  }

  /** Number of encoder layers. */
  public T5ConfigBuilder numLayers(int value) {
    numLayers = value;
    return this;
  }

  /** Number of attention heads. */
  public T5ConfigBuilder numHeads(int value) {
    numHeads = value;
    return this;
  }

  /** How many classes of distances there are. */
  public T5ConfigBuilder relativeAttentionNumBuckets(int value) {
    relativeAttentionNumBuckets = value;
    return this;
  }

  /** The distance from which on all are in one class. */
  public T5ConfigBuilder relativeAttentionMaxDistance(int value) {
    relativeAttentionMaxDistance = value;
    return this;
  }

  /** Dropout after and inside each block. */
  public T5ConfigBuilder dropoutRate(double value) {
    dropoutRate = value;
    return this;
  }

  /** What is added to the mean square. */
  public T5ConfigBuilder layerNormEpsilon(double value) {
    layerNormEpsilon = value;
    return this;
  }

  /** Scales the initial weights. */
  public T5ConfigBuilder initializerFactor(double value) {
    initializerFactor = value;
    return this;
  }

  /** Nonlinearity of the feed-forward blocks. */
  public T5ConfigBuilder feedForwardProj(String value) {
    feedForwardProj = value;
    return this;
  }

  /** Whether generation keeps keys and values. */
  public T5ConfigBuilder useCache(boolean value) {
    useCache = value;
    return this;
  }

  /** Whether hidden states are scaled before the head (v1.0 only). */
  public T5ConfigBuilder scaleDecoderOutputs(boolean value) {
    scaleDecoderOutputs = value;
    return this;
  }

  /** Number of decoder layers; by default as many as the encoder has. */
  public T5ConfigBuilder numDecoderLayers(int value) {
    numDecoderLayers = OptionalInt.of(value);
    return this;
  }

  /** The token that fills short rows. */
  public T5ConfigBuilder padTokenId(long id) {
    return padTokenId(OptionalLong.of(id));
  }

  /** The token that fills short rows; empty for none. */
  public T5ConfigBuilder padTokenId(OptionalLong value) {
    padTokenId = value;
    return this;
  }

  /** The token that begins a text. */
  public T5ConfigBuilder bosTokenId(long id) {
    return bosTokenId(OptionalLong.of(id));
  }

  /** The token that begins a text; empty for none. */
  public T5ConfigBuilder bosTokenId(OptionalLong value) {
    bosTokenId = value;
    return this;
  }

  /** What the decoder's input begins with. */
  public T5ConfigBuilder decoderStartTokenId(long id) {
    return decoderStartTokenId(OptionalLong.of(id));
  }

  /** What the decoder's input begins with; empty for none. */
  public T5ConfigBuilder decoderStartTokenId(OptionalLong value) {
    decoderStartTokenId = value;
    return this;
  }

  /** The tokens that end a text; none to give up on ends. */
  public T5ConfigBuilder eosTokenId(long... ids) {
    eosTokenIds = Arrays.stream(ids).boxed().toList();
    return this;
  }

  /** Where the model came from. */
  public T5ConfigBuilder nameOrPath(String value) {
    nameOrPath = Optional.of(value);
    return this;
  }

  /** The settings as they were read. */
  T5ConfigBuilder source(ConfigJson value) {
    source = value;
    return this;
  }

  /** The configuration, checked. */
  public T5Config build() {
    return new T5Config(
        modelType,
        vocabSize,
        dModel,
        dKv,
        dFf,
        numLayers,
        numDecoderLayers.orElse(numLayers),
        numHeads,
        relativeAttentionNumBuckets,
        relativeAttentionMaxDistance,
        dropoutRate,
        layerNormEpsilon,
        initializerFactor,
        feedForwardProj,
        useCache,
        padTokenId,
        bosTokenId,
        eosTokenIds,
        decoderStartTokenId,
        scaleDecoderOutputs,
        nameOrPath,
        source);
  }
}
