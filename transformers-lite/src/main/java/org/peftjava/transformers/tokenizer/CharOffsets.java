package org.peftjava.transformers.tokenizer;

/** Turns places in a text counted in code points, as Python counts, into places in chars. */
final class CharOffsets {
  private final String text;
  private int codePoint;
  private int at;

  CharOffsets(String text) {
    this.text = text;
  }

  /** The place in chars; fast where each place that is asked for is near the last one. */
  int of(int place) {
    at = text.offsetByCodePoints(at, place - codePoint);
    codePoint = place;
    return at;
  }
}
