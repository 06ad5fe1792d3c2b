package org.peftjava.transformers.tokenizer;

/** Where a row is padded or cut. */
public enum Side {
  /** At its beginning; generation needs padding there. */
  LEFT,
  /** At its end. */
  RIGHT;

  /** The name in Python and in {@code tokenizer_config.json}. */
  public String pythonName() {
    return this == LEFT ? "left" : "right";
  }
}
