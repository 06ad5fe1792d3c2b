package org.peftjava.transformers.generation;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * The best continuations of one prompt that have ended, as many as beams of a group.
 *
 * <p>Reference: {@code BeamHypotheses} of transformers 4, with its arithmetic in double precision.
 */
final class Hypotheses {
  private final List<Hypothesis> kept = new ArrayList<>();
  private final GenerationConfig config;
  private final int size;
  private double worst = 1e9;
  private boolean done;

  Hypotheses(GenerationConfig config) {
    this.config = config;
    size = config.numBeams() / config.numBeamGroups();
  }

  /**
   * A continuation.
   *
   * @param score the sum of its log-probabilities, divided by a power of its length
   * @param ids prompt and continuation, without an end token
   * @param origins the row that each token was chosen from, the end token's included
   */
  record Hypothesis(double score, List<Long> ids, List<Integer> origins) {}

  /** Takes a continuation in, if there is room or it beats the worst. */
  void add(float sum, int generated, List<Long> ids, List<Integer> origins) {
    double score = sum / Math.pow(generated, config.lengthPenalty());
    if (kept.size() < size || score > worst) {
      kept.add(new Hypothesis(score, ids, origins));
      if (kept.size() > size) {
        kept.remove(kept.stream().min(Comparator.comparingDouble(Hypothesis::score)).orElseThrow());
        worst = kept.stream().mapToDouble(Hypothesis::score).min().orElseThrow();
      } else {
        worst = Math.min(score, worst);
      }
    }
  }

  /**
   * Finds out whether open beams can still become better.
   *
   * @param best the largest sum of log-probabilities among them
   * @param generated their length
   * @param longest the length that they can reach
   */
  void check(float best, int generated, int longest) {
    if (kept.size() < size) {
      return;
    }
    boolean toTheEnd = config.earlyStopping() == EarlyStopping.NEVER && config.lengthPenalty() > 0;
    double hope = best / Math.pow(toTheEnd ? longest : generated, config.lengthPenalty());
    done |= config.earlyStopping() == EarlyStopping.TRUE || worst >= hope;
  }

  boolean isDone() {
    return done;
  }

  List<Hypothesis> kept() {
    return kept;
  }
}
