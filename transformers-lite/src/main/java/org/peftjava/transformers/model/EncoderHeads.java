package org.peftjava.transformers.model;

import java.util.function.Supplier;

/** The heads of encoders: those that all have alike, around the two that each has of its own. */
public final class EncoderHeads {
  private EncoderHeads() {}

  /**
   * The head for a task; only its own parts are registered.
   *
   * @param dropout before scores of tokens
   * @param spanDropout before scores of question answering
   * @param texts makes the head that judges texts
   * @param words makes the head that predicts tokens
   * @throws IllegalArgumentException for text written by a model that is no decoder
   */
  public static Head of(
      Task task,
      double dropout,
      double spanDropout,
      Supplier<Head> texts,
      Supplier<Head> words,
      HeadParts parts) {
    return switch (task) {
      case SEQUENCE_CLASSIFICATION -> texts.get();
      case TOKEN_CLASSIFICATION -> StandardHeads.eachToken("classifier", dropout, parts);
      case QUESTION_ANSWERING -> {
        StandardHeads.checkTwoLabels(parts);
        yield StandardHeads.span(spanDropout, parts);
      }
      case CAUSAL_LM -> {
        EncoderConfig.checkDecoder(parts.config());
        yield words.get();
      }
      case MASKED_LM -> words.get();
      default -> StandardHeads.ofDecoder(task, parts);
    };
  }
}
