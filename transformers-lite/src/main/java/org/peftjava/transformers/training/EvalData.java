package org.peftjava.transformers.training;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.BiFunction;

/**
 * What a trainer evaluates on: one dataset, or several by name. Reference: {@code
 * Trainer.evaluate}.
 *
 * @param byName in the order in which they are run; the name of a single one is empty
 */
record EvalData(Map<String, Dataset> byName) {
  /** One without a name. */
  static EvalData of(Dataset dataset) {
    return new EvalData(Map.of("", dataset));
  }

  /** Several. */
  static EvalData of(Map<String, ? extends Dataset> datasets) {
    if (datasets.isEmpty() || datasets.containsKey("")) {
      throw new IllegalArgumentException(
          "Evaluation datasets by name need at least one, and no empty name, got names "
              + datasets.keySet()
              + ". A dataset that needs no name is given alone.");
    }
    return new EvalData(Collections.unmodifiableMap(new LinkedHashMap<>(datasets)));
  }

  /**
   * Runs each dataset and returns the metrics of all.
   *
   * @param prefix of the names of metrics, such as "eval"; with a name it becomes "eval_name"
   */
  Map<String, Double> measure(
      String prefix, BiFunction<String, Dataset, Map<String, Double>> evaluation) {
    Map<String, Double> metrics = new LinkedHashMap<>();
    byName.forEach(
        (name, dataset) -> metrics.putAll(evaluation.apply(prefixed(prefix, name), dataset)));
    return Collections.unmodifiableMap(metrics);
  }

  /** Fails with a clear sentence if the datasets do not fit the model, or the metric not them. */
  void check(TrainingParts parts) {
    byName.forEach(
        (name, dataset) ->
            new DataCheck(
                    name.isEmpty() ? "evaluation" : "evaluation '" + name + "'", parts.model())
                .check(dataset));
    TrainingArguments args = parts.args();
    boolean asked =
        args.metricForBestModel().isPresent()
            || parts.callbacks().stream().anyMatch(EarlyStoppingCallback.class::isInstance);
    String metric = BestModel.metricName(args);
    if (args.evalStrategy() != IntervalStrategy.NO
        && asked
        && byName.keySet().stream().noneMatch(n -> metric.startsWith(prefixed("eval", n) + "_"))) {
      throw new IllegalArgumentException(
          "The best model is found by '"
              + metric
              + "', which none of the evaluation datasets "
              + new TreeSet<>(byName.keySet())
              + " gives. Set metricForBestModel to a metric of one of them, such as 'eval_"
              + byName.keySet().iterator().next()
              + "_loss'.");
    }
  }

  private static String prefixed(String prefix, String name) {
    return name.isEmpty() ? prefix : prefix + "_" + name;
  }
}
