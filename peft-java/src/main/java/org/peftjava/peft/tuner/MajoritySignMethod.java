package org.peftjava.peft.tuner;

/** Which sign the values of several adapters have for the most part. */
public enum MajoritySignMethod {
  /** That of their sum. */
  TOTAL,
  /** That which more of them have. */
  FREQUENCY
}
