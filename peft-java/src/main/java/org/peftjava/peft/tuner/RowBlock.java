package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.List;

/**
 * Rows that stand one after the other.
 *
 * @param first the first
 * @param count how many
 */
record RowBlock(long first, long count) {
  /** The fewest blocks that hold these ascending rows. */
  static List<RowBlock> of(long[] rows) {
    List<RowBlock> result = new ArrayList<>();
    int begin = 0;
    for (int i = 1; i <= rows.length; i++) {
      if (i == rows.length || rows[i] != rows[i - 1] + 1) {
        result.add(new RowBlock(rows[begin], i - begin));
        begin = i;
      }
    }
    return result;
  }
}
