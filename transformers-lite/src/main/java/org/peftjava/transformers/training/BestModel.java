package org.peftjava.transformers.training;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeSet;

/** Which evaluation was the best, and going back to it. */
final class BestModel {
  /** The metric that decides if none is named. */
  static final String LOSS = "loss";

  private BestModel() {}

  /** The name in evaluations of the metric that decides. */
  static String metricName(TrainingArguments args) {
    String asked = args.metricForBestModel().orElse(LOSS);
    return asked.startsWith("eval_") ? asked : "eval_" + asked;
  }

  /** The metric that decides. */
  static double metric(TrainingArguments args, Map<String, Double> metrics) {
    Double value = metrics.get(metricName(args));
    if (value == null) {
      throw new IllegalArgumentException(
          "metricForBestModel is '"
              + args.metricForBestModel().orElse(LOSS)
              + "', but the evaluation gave "
              + new TreeSet<>(metrics.keySet())
              + ". Name one of these, or add it in computeMetrics.");
    }
    return value;
  }

  /**
   * Notes an evaluation if a metric is asked for; returns whether it is the best so far. Reference:
   * {@code Trainer._determine_best_metric}.
   */
  static boolean note(TrainingArguments args, TrainerState state, Map<String, Double> metrics) {
    return args.metricForBestModel().isPresent()
        && state.isNewBest(
            metric(args, metrics), args.greaterIsBetter(), args.saveStrategy() != SaveStrategy.NO);
  }

  /** Loads the best checkpoint's weights into the model, if that is asked for and there is one. */
  static void load(TrainingParts parts, TrainerState state) {
    if (parts.args().loadBestModelAtEnd()) {
      state
          .bestModelCheckpoint()
          .map(Path::of)
          .filter(Files::isDirectory)
          .ifPresent(parts.model()::loadWeights);
    }
  }
}
