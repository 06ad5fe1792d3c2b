package org.peftjava.transformers.generation;

import java.util.Arrays;

/** Rows of tokens, with the row that each generated token was chosen from. */
final class BeamRows {
  private final long[][] ids;
  private final int[][] origins;

  /** Rows without generated tokens. */
  BeamRows(long[][] prompts) {
    ids = prompts;
    origins = new int[prompts.length][0];
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

  /** Makes a row the same as another's. */
  void set(int row, BeamRows other, int otherRow) {
    ids[row] = other.ids[otherRow];
    origins[row] = other.origins[otherRow];
  }

  /** Makes a row another's, followed by a token that was chosen from there. */
  void set(int row, BeamRows other, int origin, long token) {
    int length = other.ids[origin].length;
    ids[row] = Arrays.copyOf(other.ids[origin], length + 1);
    ids[row][length] = token;
    int generated = other.origins[origin].length;
    origins[row] = Arrays.copyOf(other.origins[origin], generated + 1);
    origins[row][generated] = origin;
  }

  /** For each row the one that its newest token was chosen from. */
  long[] newestOrigins() {
    return Arrays.stream(origins).mapToLong(row -> row[row.length - 1]).toArray();
  }

  /** How many tokens a row has got. */
  int generated(int row) {
    return origins[row].length;
  }

  /** A row's tokens, followed by a filler up to a length. */
  long[] paddedIds(int row, int length, long filler) {
    long[] padded = Arrays.copyOf(ids[row], length);
    Arrays.fill(padded, ids[row].length, length, filler);
    return padded;
  }

  /** A row's origins, followed by -1 up to a length. */
  int[] paddedOrigins(int row, int length) {
    int[] padded = Arrays.copyOf(origins[row], length);
    Arrays.fill(padded, origins[row].length, length, -1);
    return padded;
  }
}
