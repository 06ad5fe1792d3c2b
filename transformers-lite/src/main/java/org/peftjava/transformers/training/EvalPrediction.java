package org.peftjava.transformers.training;

/**
 * What a metric is computed from. In Python {@code predictions} are logits; here they are the
 * likeliest ids, because the logits of a dataset seldom fit into memory.
 *
 * @param predictions for each example the likeliest next id after each position
 * @param labelIds for each example its labels, not shifted: {@code predictions[e][i]} is about
 *     {@code labelIds[e][i + 1]}; -100 where no label counts
 */
public record EvalPrediction(long[][] predictions, long[][] labelIds) {}
