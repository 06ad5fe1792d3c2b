package org.peftjava.transformers.generation;

import java.util.Arrays;

/**
 * The best continuations that have ended, as many as beams for each prompt, and whether open ones
 * can still become better.
 *
 * <p>Scores are divided by a power of the length; see {@code length_penalty}.
 */
final class EndedBeams {
  private static final float NEVER = -1e9f;

  private final TokenSearch search;
  private final GenerationConfig config;
  private final int beams;
  private final EarlyStopping early;
  private final BeamRows best;
  private final float[] scores;
  private final boolean[] ended;
  private final boolean[] improvable;

  EndedBeams(TokenSearch search, GenerationConfig config, BeamRows none) {
    this.search = search;
    this.config = config;
    beams = config.numBeams();
    early = config.earlyStopping();
    best = none;
    scores = new float[none.ids().length];
    Arrays.fill(scores, NEVER);
    ended = new boolean[scores.length];
    improvable = new boolean[scores.length / beams];
    Arrays.fill(improvable, true);
  }

  BeamRows best() {
    return best;
  }

  float[] scores() {
    return scores;
  }

  /** Takes in candidates that ended with the token at a place; only each prompt's best count. */
  void update(Candidates candidates, int at) {
    int count = candidates.perPrompt();
    int width = beams + count;
    int prompts = improvable.length;
    float divisor = power(at + 1 - search.width());
    BeamRows merged = new BeamRows(prompts * width);
    float[] mergedScores = new float[prompts * width];
    boolean[] mergedEnded = new boolean[prompts * width];
    for (int prompt = 0; prompt < prompts; prompt++) {
      boolean full = early == EarlyStopping.TRUE && allEnded(prompt);
      for (int i = 0; i < width; i++) {
        int to = prompt * width + i;
        if (i < beams) {
          int from = prompt * beams + i;
          merged.set(to, best, from);
          mergedScores[to] = scores[from];
          mergedEnded[to] = ended[from];
        } else {
          int from = prompt * count + i - beams;
          boolean counts = candidates.done()[from] && i - beams < beams;
          float score = candidates.scores()[from] / divisor;
          score += (full ? 1f : 0f) * NEVER;
          score += (improvable[prompt] ? 0f : 1f) * NEVER;
          score += (counts ? 0f : 1f) * NEVER;
          merged.set(to, candidates.rows(), from);
          mergedScores[to] = score;
          mergedEnded[to] = counts;
        }
      }
    }
    long[] order = Rankings.topK(mergedScores, prompts, beams);
    for (int row = 0; row < order.length; row++) {
      int from = row / beams * width + (int) order[row];
      best.set(row, merged, from);
      scores[row] = mergedScores[from];
      ended[row] = mergedEnded[from];
    }
  }

  /** Whether to go on, now that running beams have {@code at} tokens. */
  boolean canImprove(float[] runningScores, int at) {
    boolean never = early == EarlyStopping.NEVER && config.lengthPenalty() > 0;
    float divisor = power((never ? search.length() : at) - search.width());
    boolean any = false;
    boolean everyPromptEnded = true;
    for (int prompt = 0; prompt < improvable.length; prompt++) {
      float hope = runningScores[prompt * beams] / divisor;
      improvable[prompt] &= beatsWorst(prompt, hope);
      any |= improvable[prompt];
      everyPromptEnded &= allEnded(prompt);
    }
    return any && !(everyPromptEnded && early == EarlyStopping.TRUE);
  }

  /** Whether a score beats that of the worst ended beam; a free place is beaten by any. */
  private boolean beatsWorst(int prompt, float hope) {
    float worst = Float.POSITIVE_INFINITY;
    boolean anyEnded = false;
    for (int row = prompt * beams; row < (prompt + 1) * beams; row++) {
      worst = Math.min(worst, scores[row]);
      anyEnded |= ended[row];
    }
    return (anyEnded && hope > worst) || (!allEnded(prompt) && hope > NEVER);
  }

  private boolean allEnded(int prompt) {
    boolean all = true;
    for (int row = prompt * beams; row < (prompt + 1) * beams; row++) {
      all &= ended[row];
    }
    return all;
  }

  private float power(int length) {
    return (float) Math.pow(length, config.lengthPenalty());
  }
}
