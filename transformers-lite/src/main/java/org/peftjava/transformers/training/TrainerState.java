package org.peftjava.transformers.training;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * Where a run stands: what {@code trainer_state.json} holds, with the names and meanings that
 * transformers' {@code TrainerState} gives them.
 */
public final class TrainerState {
  private final List<Map<String, Double>> logHistory = new ArrayList<>();
  private double epoch;
  private int globalStep;
  private int maxSteps;
  private int numTrainEpochs;
  private long numInputTokensSeen;
  private @Nullable Double bestMetric;
  private @Nullable Integer bestGlobalStep;
  private @Nullable String bestModelCheckpoint;

  TrainerState() {}

  /** Passes over the data so far, with the part of the present one. */
  public double epoch() {
    return epoch;
  }

  /** Optimizer steps so far. */
  public int globalStep() {
    return globalStep;
  }

  /** Optimizer steps of the whole run. */
  public int maxSteps() {
    return maxSteps;
  }

  /** Passes over the data of the whole run. */
  public int numTrainEpochs() {
    return numTrainEpochs;
  }

  /** Tokens trained on so far, without padding. */
  public long numInputTokensSeen() {
    return numInputTokensSeen;
  }

  /** All log lines so far; each has {@code step} and {@code epoch}. */
  public List<Map<String, Double>> logHistory() {
    return Collections.unmodifiableList(logHistory);
  }

  /** The last logged training loss. */
  public OptionalDouble lastLoss() {
    for (int i = logHistory.size() - 1; i >= 0; i--) {
      Double loss = logHistory.get(i).get("loss");
      if (loss != null) {
        return OptionalDouble.of(loss);
      }
    }
    return OptionalDouble.empty();
  }

  /** The best value of {@code metricForBestModel} so far. */
  public OptionalDouble bestMetric() {
    return bestMetric == null ? OptionalDouble.empty() : OptionalDouble.of(bestMetric);
  }

  /** The step of the best evaluation, of a run that saves. */
  public OptionalInt bestGlobalStep() {
    return bestGlobalStep == null ? OptionalInt.empty() : OptionalInt.of(bestGlobalStep);
  }

  /** The checkpoint of the best evaluation. */
  public Optional<String> bestModelCheckpoint() {
    return Optional.ofNullable(bestModelCheckpoint);
  }

  void plan(int steps, int epochs) {
    maxSteps = steps;
    numTrainEpochs = epochs;
  }

  void restore(double epochs, int steps, long tokens, List<Map<String, Double>> history) {
    epoch = epochs;
    globalStep = steps;
    numInputTokensSeen = tokens;
    logHistory.clear();
    logHistory.addAll(history);
  }

  void restoreBest(@Nullable Double metric, @Nullable Integer step, @Nullable String checkpoint) {
    bestMetric = metric;
    bestGlobalStep = step;
    bestModelCheckpoint = checkpoint;
  }

  void stepDone(double epochNow) {
    globalStep++;
    epoch = epochNow;
  }

  void sawTokens(long tokens) {
    numInputTokensSeen += tokens;
  }

  /** Adds a log line and returns it with its epoch, as callbacks see it. */
  Map<String, Double> log(Map<String, Double> values) {
    Map<String, Double> line = new LinkedHashMap<>(values);
    line.put("epoch", epoch);
    Map<String, Double> entry = new LinkedHashMap<>(line);
    entry.put("step", (double) globalStep);
    logHistory.add(Collections.unmodifiableMap(entry));
    return Collections.unmodifiableMap(line);
  }

  /** Notes a metric, and its step if that may be saved; returns whether it is the best so far. */
  boolean isNewBest(double metric, boolean greaterIsBetter, boolean saves) {
    boolean better =
        bestMetric == null
            ? !Double.isNaN(metric)
            : greaterIsBetter ? metric > bestMetric : metric < bestMetric;
    if (better) {
      bestMetric = metric;
      bestGlobalStep = saves ? Integer.valueOf(globalStep) : bestGlobalStep;
    }
    return better;
  }

  void bestModelCheckpoint(String checkpoint) {
    bestModelCheckpoint = checkpoint;
  }
}
