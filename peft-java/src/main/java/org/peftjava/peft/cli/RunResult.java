package org.peftjava.peft.cli;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.peftjava.transformers.training.TrainOutput;

/**
 * What a training run measured.
 *
 * @param evalBefore metrics before the first step, if there was something to evaluate on
 * @param evalAfter metrics after the last step; also absent if the run was cancelled
 * @param output what the trainer returned
 * @param logHistory every logged line
 */
record RunResult(
    Optional<Map<String, Double>> evalBefore,
    Optional<Map<String, Double>> evalAfter,
    TrainOutput output,
    List<Map<String, Double>> logHistory) {}
