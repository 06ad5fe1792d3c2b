package org.peftjava.transformers.generation;

import java.util.Arrays;

/** Which rows have ended, where each step adds one token to each; ended ones get the filler. */
final class RowEnds {
  private final TokenSearch search;
  private final GenerationConfig config;
  private final boolean[] ended;

  RowEnds(TokenSearch search, GenerationConfig config, int rows) {
    this.search = search;
    this.config = config;
    ended = new boolean[rows];
  }

  /**
   * Writes tokens at a place of the rows, which grow. In rows that have ended, also {@code next}
   * becomes the filler, if there are end tokens at all.
   *
   * @return whether any row is open
   */
  boolean append(long[][] ids, int at, long[] next) {
    StopConditions stops = search.stops();
    boolean open = false;
    for (int row = 0; row < ids.length; row++) {
      if (ended[row] && stops.hasEndTokens()) {
        next[row] = config.padTokenId().orElseGet(() -> config.eosTokenIds().get(0));
      }
      if (at == ids[row].length) {
        ids[row] = Arrays.copyOf(ids[row], Math.min(search.length(), 2 * at + 16));
      }
      ids[row][at] = next[row];
    }
    InputIds seen = search.seen(ids, at + 1);
    for (int row = 0; row < ids.length; row++) {
      ended[row] = ended[row] || stops.isDone(seen, row);
      open |= !ended[row];
    }
    return open;
  }
}
