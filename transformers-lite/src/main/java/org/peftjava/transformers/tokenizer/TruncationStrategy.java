package org.peftjava.transformers.tokenizer;

/** Which of two texts loses tokens when they are too long together; Python's values in capitals. */
public enum TruncationStrategy {
  /** The longer one, until both are equally long; the only text if there is one. */
  LONGEST_FIRST,
  /** The first one only. */
  ONLY_FIRST,
  /** The second one only. */
  ONLY_SECOND
}
