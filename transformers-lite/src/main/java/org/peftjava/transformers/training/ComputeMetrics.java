package org.peftjava.transformers.training;

import java.util.Map;

/** Computes metrics of an evaluation; their names get the prefix {@code eval_}. */
@FunctionalInterface
public interface ComputeMetrics {
  /** The metrics, by name. */
  Map<String, Double> compute(EvalPrediction prediction);
}
