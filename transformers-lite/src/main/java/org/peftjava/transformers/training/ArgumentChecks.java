package org.peftjava.transformers.training;

/** What training arguments must fulfil, one rule each. */
final class ArgumentChecks {
  private ArgumentChecks() {}

  static void positive(String name, int value) {
    if (value < 1) {
      throw new IllegalArgumentException(
          "TrainingArguments: " + name + " must be at least 1, got " + value + ".");
    }
  }

  static void notNegative(String name, double value) {
    if (!(value >= 0) || Double.isInfinite(value)) {
      throw new IllegalArgumentException(
          "TrainingArguments: " + name + " must not be negative, got " + value + ".");
    }
  }

  static void ratio(String name, double value) {
    if (!(value >= 0 && value < 1)) {
      throw new IllegalArgumentException(
          "TrainingArguments: "
              + name
              + " must be from 0 to 1, the latter excluded, got "
              + value
              + ". A number of steps goes into warmupSteps.");
    }
  }

  static void share(String name, double value) {
    if (!(value >= 0 && value <= 1)) {
      throw new IllegalArgumentException(
          "TrainingArguments: " + name + " must be from 0 to 1, got " + value + ".");
    }
  }

  static void length(int maxSteps, double numTrainEpochs) {
    if (maxSteps <= 0 && !(numTrainEpochs > 0 && numTrainEpochs < Integer.MAX_VALUE)) {
      throw new IllegalArgumentException(
          "TrainingArguments: a run needs maxSteps or numTrainEpochs above 0, got "
              + maxSteps
              + " and "
              + numTrainEpochs
              + ".");
    }
  }

  static void measured(SchedulerType schedule, IntervalStrategy eval) {
    if (schedule.needsMetric() && eval == IntervalStrategy.NO) {
      throw new IllegalArgumentException(
          "TrainingArguments: the schedule "
              + schedule
              + " goes by evaluations, but evalStrategy is NO. Set evalStrategy(STEPS) or"
              + " evalStrategy(EPOCH).");
    }
  }

  /** Whether a greater value of a metric is better, as its name tells. */
  static boolean isGain(String metric) {
    return !metric.endsWith("loss") && !metric.endsWith("perplexity");
  }

  static void best(
      boolean loadBest, SaveStrategy save, IntervalStrategy eval, int saveSteps, int evalSteps) {
    if ((loadBest || save == SaveStrategy.BEST) && eval == IntervalStrategy.NO) {
      throw new IllegalArgumentException(
          "TrainingArguments: the best model is found by evaluating, but evalStrategy is NO. Set"
              + " evalStrategy(STEPS) or evalStrategy(EPOCH).");
    }
    if (!loadBest || save == SaveStrategy.BEST) {
      return;
    }
    boolean together =
        save.name().equals(eval.name())
            && (save != SaveStrategy.STEPS || saveSteps % evalSteps == 0);
    if (!together) {
      throw new IllegalArgumentException(
          "TrainingArguments: loadBestModelAtEnd needs a checkpoint for each evaluation that may"
              + " be the best, got saveStrategy "
              + save
              + " every "
              + saveSteps
              + " and evalStrategy "
              + eval
              + " every "
              + evalSteps
              + ". Use saveStrategy(BEST), or the same strategy with saveSteps a multiple of"
              + " evalSteps.");
    }
  }
}
