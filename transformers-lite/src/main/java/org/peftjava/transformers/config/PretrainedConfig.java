package org.peftjava.transformers.config;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/** The shape and the settings of a model, as its {@code config.json} holds them. */
public interface PretrainedConfig {
  /** {@link #longestSequence()} of a model that computes its positions. */
  int UNLIMITED = 1 << 30;

  /** The architecture's name, such as "opt". */
  String modelType();

  /** Number of tokens in the vocabulary. */
  int vocabSize();

  /** Length of a hidden state. */
  int hiddenSize();

  /** Number of decoder layers. */
  int numHiddenLayers();

  /** The longest sequence that the model has positions for. */
  int maxPositionEmbeddings();

  /** The longest sequence that can be computed at all. */
  default int longestSequence() {
    return maxPositionEmbeddings();
  }

  /**
   * The length beyond which the model computes every token in another way, so that generation
   * cannot go on from the cache of a shorter sequence; {@link #UNLIMITED} if there is none.
   */
  default int cacheBorder() {
    return UNLIMITED;
  }

  /** The bound c of logits, which become {@code c tanh(logits / c)}; empty for none. */
  default OptionalDouble finalLogitSoftcapping() {
    return OptionalDouble.empty();
  }

  /** Whether the head and the token embedding are one weight. */
  boolean tieWordEmbeddings();

  /** Whether files of this kind may hold another head although they say that it is tied. */
  default boolean mayHoldAnotherHead() {
    return false;
  }

  /** Standard deviation of the weights that a model built from its config starts with. */
  double initialStd();

  /** The token that fills short rows. */
  OptionalLong padTokenId();

  /** The token that begins a text. */
  OptionalLong bosTokenId();

  /** The tokens that end a text; usually one. */
  List<Long> eosTokenIds();

  /**
   * The folder or hub name that the model was loaded from; empty for a model built from its config.
   */
  Optional<String> nameOrPath();

  /** The same configuration, said to come from there. */
  PretrainedConfig withNameOrPath(String nameOrPath);

  /** The names of a classifier's labels by their numbers: "LABEL_0" and so on if it has none. */
  default Map<Integer, String> id2label() {
    return Labels.of(json()).id2label();
  }

  /** The numbers of a classifier's labels by their names. */
  default Map<String, Integer> label2id() {
    return Labels.of(json()).label2id();
  }

  /** How many labels a classifier has; 2 if nothing is said. */
  default int numLabels() {
    return id2label().size();
  }

  /**
   * Every setting under its name in {@code config.json}, also those that this library does not use.
   */
  ConfigJson json();
}
