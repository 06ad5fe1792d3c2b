package org.peftjava.transformers.generation;

/** The best continuations of one step, {@link #perPrompt()} for each prompt, best first. */
final class Candidates {
  private final BeamRows rows;
  private final float[] scores;
  private final boolean[] done;
  private final int perPrompt;

  /**
   * Continues running rows.
   *
   * @param index beam * v + token for each candidate, prompt by prompt
   * @param scores the sum of the log-probabilities of each
   */
  Candidates(
      BeamRows running, long[] index, float[] scores, long vocabSize, int prompts, int beams) {
    this.scores = scores;
    perPrompt = index.length / prompts;
    rows = new BeamRows(index.length);
    done = new boolean[index.length];
    for (int i = 0; i < index.length; i++) {
      int origin = i / perPrompt * beams + (int) (index[i] / vocabSize);
      rows.set(i, running, origin, index[i] % vocabSize);
    }
  }

  /** Finds out which have ended with the token at a place; returns whether all have. */
  boolean markDone(TokenSearch search, int at) {
    InputIds seen = search.seen(rows.ids(), at + 1);
    boolean full = at + 1 >= search.length();
    boolean all = true;
    for (int i = 0; i < done.length; i++) {
      done[i] = search.stops().isDone(seen, i) || full;
      all &= done[i];
    }
    return all;
  }

  BeamRows rows() {
    return rows;
  }

  float[] scores() {
    return scores;
  }

  boolean[] done() {
    return done;
  }

  int perPrompt() {
    return perPrompt;
  }
}
