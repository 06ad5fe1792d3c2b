package org.peftjava.transformers.training;

import java.util.Map;

/**
 * What a training run came to.
 *
 * @param globalStep optimizer steps done, those before a resumed checkpoint included
 * @param trainingLoss mean loss of all steps
 * @param metrics {@code train_runtime} in seconds, {@code train_samples_per_second}, {@code
 *     train_steps_per_second}, {@code train_tokens_per_second} (tokens without padding), {@code
 *     train_peak_memory_bytes} of the process, {@code train_loss}
 * @param cancelled whether {@link Trainer#cancel} ended the run early
 */
public record TrainOutput(
    int globalStep, double trainingLoss, Map<String, Double> metrics, boolean cancelled) {}
