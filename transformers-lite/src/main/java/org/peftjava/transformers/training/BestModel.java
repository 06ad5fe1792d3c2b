package org.peftjava.transformers.training;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeSet;

/** Which evaluation was the best, and going back to it. */
final class BestModel {
  private BestModel() {}

  /** The metric that decides. */
  static double metric(TrainingArguments args, Map<String, Double> metrics) {
    String asked = args.metricForBestModel();
    String name = asked.startsWith("eval_") ? asked : "eval_" + asked;
    Double value = metrics.get(name);
    if (value == null) {
      throw new IllegalArgumentException(
          "metricForBestModel is '"
              + asked
              + "', but the evaluation gave "
              + new TreeSet<>(metrics.keySet())
              + ". Name one of these, or add it in computeMetrics.");
    }
    return value;
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
