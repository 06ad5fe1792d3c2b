package org.peftjava.transformers.tokenizer;

import java.util.Arrays;

/**
 * Token ids, one row per text; rows may differ in length. What {@code generate} returns.
 *
 * @param ids the rows; not copied, so do not change them
 */
public record TokenIds(long[][] ids) {
  /** Number of rows. */
  public int size() {
    return ids.length;
  }

  /** One row. */
  public long[] get(int row) {
    return ids[row];
  }

  /** Each row from a token on, Python's {@code ids[:, start:]}; of shorter rows nothing. */
  public TokenIds from(int start) {
    if (start < 0) {
      throw new IllegalArgumentException("start is " + start + "; expected at least 0.");
    }
    return new TokenIds(
        Arrays.stream(ids)
            .map(row -> Arrays.copyOfRange(row, Math.min(start, row.length), row.length))
            .toArray(long[][]::new));
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof TokenIds tokens && Arrays.deepEquals(ids, tokens.ids);
  }

  @Override
  public int hashCode() {
    return Arrays.deepHashCode(ids);
  }

  @Override
  public String toString() {
    return Arrays.deepToString(ids);
  }
}
