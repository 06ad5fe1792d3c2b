package org.peftjava.transformers.training;

import java.util.Map;

/**
 * What {@link Trainer#predict} gives.
 *
 * @param predictions what the model says about each example, beside the labels
 * @param metrics {@code test_loss}, {@code test_runtime} and so on, and own metrics
 */
public record PredictionOutput(EvalPrediction predictions, Map<String, Double> metrics) {}
