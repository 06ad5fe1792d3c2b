package org.peftjava.transformers.tokenizer;

/** Turns places in a text counted in code points, as Python counts, into places in chars. */
final class CharOffsets {
  private final String text;
  private final int length;
  private int codePoint;
  private int at;

  CharOffsets(String text) {
    this.text = text;
    length = text.codePointCount(0, text.length());
  }

  /** The place in chars; fast where each place that is asked for is near the last one. */
  int of(int place) {
    int inside = Math.max(0, Math.min(place, length)); // odd normalizers point behind the end
    at = text.offsetByCodePoints(at, inside - codePoint);
    codePoint = inside;
    return at;
  }
}
