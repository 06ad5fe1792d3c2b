package org.peftjava.transformers.training;

/**
 * What a metric is computed from. In Python {@code predictions} are logits; here they are the
 * likeliest ids, because the logits of a dataset seldom fit into memory.
 *
 * @param predictions for each example the likeliest id at each position; of a text classifier the
 *     likeliest label alone, of question answering the likeliest first and last position; with
 *     {@code predictWithGenerate} the text that was written, each batch padded for itself
 * @param labelIds for each example its labels, not shifted: a language model's {@code
 *     predictions[e][i]} is about {@code labelIds[e][i + 1]}; -100 where no label counts
 * @param logits for each text what a text classifier says about each label; of question answering
 *     the scores of each position as an answer's begin, followed by those as its end; empty of
 *     other models
 * @param floatLabels for each text its numbers; empty if it has labels
 */
public record EvalPrediction(
    long[][] predictions, long[][] labelIds, float[][] logits, float[][] floatLabels) {}
