package org.peftjava.transformers.model;

import java.util.Locale;

/** What a model computes from hidden states: the kinds of heads, after transformers' AutoModels. */
public enum Task {
  /** The hidden states themselves: no head. */
  FEATURE_EXTRACTION("Model"),
  /** The next token. */
  CAUSAL_LM("ForCausalLM"),
  /** The tokens behind masks. */
  MASKED_LM("ForMaskedLM"),
  /** Text from text, with an encoder and a decoder. */
  SEQ_2_SEQ_LM("ForConditionalGeneration"),
  /** One label, or several, or numbers for each text. */
  SEQUENCE_CLASSIFICATION("ForSequenceClassification"),
  /** One label for each token. */
  TOKEN_CLASSIFICATION("ForTokenClassification"),
  /** Where in a text an answer begins and ends. */
  QUESTION_ANSWERING("ForQuestionAnswering");

  private final String suffix;

  Task(String suffix) {
    this.suffix = suffix;
  }

  /** The usual end of such a class's name in Python, such as "ForSequenceClassification". */
  public String suffix() {
    return suffix;
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT).replace('_', ' ');
  }
}
