package org.peftjava.transformers.generation;

import java.util.Arrays;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;

/**
 * The tokens so far of every row, padding included; Python's {@code input_ids}. On the host; on the
 * device where a processor asks for that.
 */
public final class InputIds {
  private final long[][] rows;
  private final int length;
  private final Device device;

  /** The first {@code length} ids of each row; the rows are not copied. */
  InputIds(long[][] rows, int length, Device device) {
    this.rows = rows;
    this.length = length;
    this.device = device;
  }

  /** Number of rows. */
  public int rows() {
    return rows.length;
  }

  /** Number of tokens of each row. */
  public int length() {
    return length;
  }

  /** One token. */
  public long token(int row, int position) {
    return rows[row][position];
  }

  /** A copy of one row. */
  public long[] row(int row) {
    return Arrays.copyOf(rows[row], length);
  }

  /** Whether a row ends with these tokens. */
  boolean endsWith(int row, long[] ids, int count) {
    return count <= length && Arrays.equals(rows[row], length - count, length, ids, 0, count);
  }

  /** All rows (b, n), int64, on the model's device; owned by the current scope. */
  public Tensor toTensor() {
    long[][] exact = new long[rows.length][];
    for (int row = 0; row < exact.length; row++) {
      exact[row] = row(row);
    }
    return Creation.ofLongs(exact).to(device);
  }
}
