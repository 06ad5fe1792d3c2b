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
