package org.peftjava.transformers.training;

import java.util.Map;
import java.util.OptionalDouble;

/**
 * Ends a run after a number of evaluations that were no better than the best one before them. Needs
 * an {@code evalStrategy}; looks at {@code metricForBestModel}.
 *
 * <p>Reference: {@code trainer_callback.py::EarlyStoppingCallback}.
 */
public final class EarlyStoppingCallback implements TrainerCallback {
  private final int patience;
  private final double threshold;
  private OptionalDouble best = OptionalDouble.empty();
  private int worse;

  /** Ends the run after so many evaluations in a row. */
  public EarlyStoppingCallback(int earlyStoppingPatience) {
    this(earlyStoppingPatience, 0);
  }

  /**
   * The same.
   *
   * @param earlyStoppingThreshold by how much an evaluation must be better at least to count
   */
  public EarlyStoppingCallback(int earlyStoppingPatience, double earlyStoppingThreshold) {
    ArgumentChecks.positive("earlyStoppingPatience", earlyStoppingPatience);
    ArgumentChecks.notNegative("earlyStoppingThreshold", earlyStoppingThreshold);
    patience = earlyStoppingPatience;
    threshold = earlyStoppingThreshold;
  }

  @Override
  public void onTrainBegin(TrainingProgress progress) {
    if (progress.args().evalStrategy() == IntervalStrategy.NO) {
      throw new IllegalArgumentException(
          "EarlyStoppingCallback needs evaluations, but evalStrategy is NO. Set it to STEPS or"
              + " EPOCH.");
    }
    best = progress.state().bestMetric();
    worse = 0;
  }

  /** An evaluation before the first step counts against the best one, but never is it. */
  @Override
  public void onEvaluate(TrainingProgress progress, Map<String, Double> metrics) {
    Double value = metrics.get(BestModel.metricName(progress.args()));
    if (value == null) {
      return; // an evaluation of another dataset
    }
    boolean greater = progress.args().greaterIsBetter();
    boolean better =
        best.isEmpty() || (greater ? value > best.getAsDouble() : value < best.getAsDouble());
    boolean counts = best.isEmpty() || Math.abs(value - best.getAsDouble()) > threshold;
    worse = better && counts ? 0 : worse + 1;
    best = better && progress.sessionSteps() > 0 ? OptionalDouble.of(value) : best;
    if (worse >= patience) {
      progress.control().requestTrainingStop();
    }
  }
}
