package org.peftjava.transformers.tokenizer;

import java.util.ArrayList;
import java.util.List;
import org.peftjava.transformers.tokenizer.EncodedText.Range;

/**
 * Cuts a text or a pair so that {@code maxLength} tokens remain with the special ones around them.
 *
 * <p>Reference: tokenizers {@code utils/truncation.rs::truncate_encodings} and {@code
 * tokenizer/encoding.rs::Encoding::truncate}.
 *
 * @param stride how many tokens two neighbouring windows share
 */
record Truncation(int maxLength, TruncationStrategy strategy, Side side, int stride) {
  /** The row that remains, and behind it one for each further window of the text that is cut. */
  List<EncodedText> windows(EncodedText text) {
    int first = text.count(0);
    int second = text.count(1);
    int special = text.count(-1);
    if (first + second + special <= maxLength) {
      return List.of(text);
    }
    if (special > maxLength) {
      throw new IllegalArgumentException(
          "maxLength is "
              + maxLength
              + ", but the special tokens alone are "
              + special
              + ". Raise it, or set addSpecialTokens(false).");
    }
    int limit = maxLength - special;
    List<Range> firstRanges = List.of(new Range(0, first));
    List<Range> secondRanges = List.of(new Range(0, second));
    if (strategy == TruncationStrategy.ONLY_SECOND) {
      secondRanges = ranges(second, rest(second, limit - first));
    } else if (strategy == TruncationStrategy.ONLY_FIRST || second == 0) {
      firstRanges = ranges(first, second == 0 ? limit : rest(first, limit - second));
    } else {
      // The library stops reading a text at the word that reaches the maximum.
      int[] lengths =
          balanced(
              text.countOfWords(0, maxLength, side), text.countOfWords(1, maxLength, side), limit);
      firstRanges = ranges(first, lengths[0]);
      secondRanges = ranges(second, lengths[1]);
    }
    List<EncodedText> windows = new ArrayList<>();
    for (Range secondRange : secondRanges) {
      for (Range firstRange : firstRanges) {
        windows.add(text.keep(firstRange, secondRange));
      }
    }
    return windows;
  }

  private int rest(int length, int rest) {
    if (rest <= 0) {
      throw new IllegalArgumentException(
          "maxLength is "
              + maxLength
              + ", but the text that is not to be cut leaves no room for the "
              + length
              + " tokens of the other one. Raise it, or use another truncationStrategy than "
              + strategy
              + ".");
    }
    return rest;
  }

  /** What remains of two texts that are cut in turn, the longer one first. */
  private static int[] balanced(int first, int second, int limit) {
    int shorter = Math.min(first, second);
    int longer = shorter > limit ? shorter : Math.max(shorter, limit - shorter);
    if (shorter + longer > limit) {
      shorter = limit / 2;
      longer = shorter + limit % 2;
    }
    return first > second ? new int[] {longer, shorter} : new int[] {shorter, longer};
  }

  private List<Range> ranges(int length, int kept) {
    if (kept >= length) {
      return List.of(new Range(0, length));
    }
    if (kept == 0) {
      return List.of(new Range(0, 0));
    }
    if (stride >= kept) {
      throw new IllegalArgumentException(
          "stride is "
              + stride
              + ", but only "
              + kept
              + " tokens of a text fit into maxLength "
              + maxLength
              + ". Expected a smaller stride or a larger maxLength.");
    }
    List<Range> ranges = new ArrayList<>();
    int step = kept - stride;
    if (side == Side.RIGHT) {
      for (int from = 0; ranges.isEmpty() || ranges.get(ranges.size() - 1).to() < length; ) {
        ranges.add(new Range(from, Math.min(from + kept, length)));
        from += step;
      }
    } else {
      for (int to = length; ranges.isEmpty() || ranges.get(ranges.size() - 1).from() > 0; ) {
        ranges.add(new Range(Math.max(0, to - kept), to));
        to -= step;
      }
    }
    return ranges;
  }
}
