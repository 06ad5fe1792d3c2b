package org.peftjava.transformers.tokenizer;

import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;

/** Cuts and pads rows of token ids. */
final class Rows {
  private Rows() {}

  /**
   * Cuts a text's own tokens so that {@code maxLength} tokens remain with the special ones around
   * them.
   */
  static long[] truncate(NativeTokenizer.Encoded row, int maxLength, Side side) {
    long[] ids = row.ids();
    if (ids.length <= maxLength) {
      return ids;
    }
    int special = row.prefix() + row.suffix();
    if (special > maxLength) {
      throw new IllegalArgumentException(
          "maxLength is "
              + maxLength
              + ", but the special tokens alone are "
              + special
              + ". Raise it, or set addSpecialTokens(false).");
    }
    int kept = maxLength - special;
    int start = side == Side.RIGHT ? row.prefix() : ids.length - row.suffix() - kept;
    long[] result = new long[maxLength];
    System.arraycopy(ids, 0, result, 0, row.prefix());
    System.arraycopy(ids, start, result, row.prefix(), kept);
    System.arraycopy(ids, ids.length - row.suffix(), result, row.prefix() + kept, row.suffix());
    return result;
  }

  /** Brings rows to one length, at least {@code minLength} and a multiple of {@code multiple}. */
  static TokenBatch pad(
      List<long[]> rows, int minLength, int multiple, Side side, OptionalLong padId) {
    int longest = rows.stream().mapToInt(row -> row.length).max().orElse(0);
    int length = Math.max(longest, minLength);
    length = Math.multiplyExact(Math.floorDiv(length + multiple - 1, multiple), multiple);
    long[][] ids = new long[rows.size()][length];
    long[][] mask = new long[rows.size()][length];
    for (int i = 0; i < ids.length; i++) {
      long[] row = rows.get(i);
      int missing = length - row.length;
      if (missing > 0) {
        Arrays.fill(ids[i], padIdOf(padId));
      }
      int from = side == Side.LEFT ? missing : 0;
      System.arraycopy(row, 0, ids[i], from, row.length);
      Arrays.fill(mask[i], from, from + row.length, 1);
    }
    return TokenBatch.of(ids, mask);
  }

  private static long padIdOf(OptionalLong padId) {
    return padId.orElseThrow(
        () ->
            new IllegalStateException(
                "The texts differ in length and the tokenizer has no padding token. Choose one"
                    + " when loading: AutoTokenizer.fromPretrained(folder, o ->"
                    + " o.padToken(\"</s>\"))."));
  }
}
