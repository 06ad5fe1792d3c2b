package org.peftjava.transformers.generation;

import java.util.Arrays;

/** Rows of tokens, with the beam that each generated token was chosen from (-1 for none yet). */
final class BeamRows {
  private final long[][] ids;
  private final int[][] origins;

  /** Rows without generated tokens, with room for some. */
  BeamRows(long[][] ids, int generated) {
    this.ids = ids;
    origins = new int[ids.length][generated];
    Arrays.stream(origins).forEach(row -> Arrays.fill(row, -1));
  }

  /** A copy. */
  BeamRows(BeamRows other) {
    ids = Arrays.stream(other.ids).map(long[]::clone).toArray(long[][]::new);
    origins = Arrays.stream(other.origins).map(int[]::clone).toArray(int[][]::new);
  }

  /** This many rows, to be {@link #set}. */
  BeamRows(int rows) {
    ids = new long[rows][];
    origins = new int[rows][];
  }

  long[][] ids() {
    return ids;
  }

  int[][] origins() {
    return origins;
  }

  /** Makes a row a copy of another's. */
  void set(int row, BeamRows other, int otherRow) {
    ids[row] = other.ids[otherRow].clone();
    origins[row] = other.origins[otherRow].clone();
  }

  /** How many tokens a row has got. */
  int generated(int row) {
    return (int) Arrays.stream(origins[row]).filter(beam -> beam >= 0).count();
  }
}
