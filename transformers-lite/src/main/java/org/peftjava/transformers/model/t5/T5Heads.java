package org.peftjava.transformers.model.t5;

import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.HeadParts;
import org.peftjava.transformers.model.StandardHeads;

/** The heads of T5 other than the one that writes text. */
final class T5Heads {
  private T5Heads() {}

  /** Scores of each token as an answer's begin and end. */
  static Head span(HeadParts parts) {
    StandardHeads.checkTwoLabels(parts);
    return StandardHeads.span(0, parts);
  }

  /** One label for each token. */
  static Head eachToken(HeadParts parts) {
    return StandardHeads.eachToken("classifier", dropout(parts), parts);
  }

  private static double dropout(HeadParts parts) {
    return parts.config().json().getDouble("classifier_dropout", 0);
  }
}
