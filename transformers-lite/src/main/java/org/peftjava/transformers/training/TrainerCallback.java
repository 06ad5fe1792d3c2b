package org.peftjava.transformers.training;

import java.nio.file.Path;
import java.util.Map;

/**
 * Watches a run, on the training thread. An exception from a callback ends the run; checkpoints
 * stay.
 */
public interface TrainerCallback {
  /** Before the first step. */
  default void onTrainBegin(TrainingProgress progress) {}

  /** Before the first step of an epoch, or the first after resuming. */
  default void onEpochBegin(TrainingProgress progress) {}

  /** After the last step of an epoch, before what is due then is logged, evaluated and saved. */
  default void onEpochEnd(TrainingProgress progress) {}

  /** Before the forward passes of a step. */
  default void onStepBegin(TrainingProgress progress) {}

  /** After the backward passes of a step and clipping: gradients are those that the step takes. */
  default void onPreOptimizerStep(TrainingProgress progress) {}

  /**
   * After the optimizer's step, while its gradients are still there; the step does not count yet.
   */
  default void onOptimizerStep(TrainingProgress progress) {}

  /** After each optimizer step. The loss is not read here: it comes with {@link #onLog}. */
  default void onStepEnd(TrainingProgress progress) {}

  /**
   * After a log line was added to the state's history.
   *
   * @param logs by Python's names: "loss" (mean since the last line), "grad_norm", "learning_rate",
   *     "epoch"; or metrics of an evaluation or of the whole run
   */
  default void onLog(TrainingProgress progress, Map<String, Double> logs) {}

  /**
   * After an evaluation, with {@code eval_loss}, {@code eval_perplexity} and other metrics; of
   * several datasets, once for each, with {@code eval_<name>_loss} and so on.
   */
  default void onEvaluate(TrainingProgress progress, Map<String, Double> metrics) {}

  /** After a checkpoint is complete. */
  default void onSave(TrainingProgress progress, Path checkpoint) {}

  /** After the last step, also of a cancelled run; not after a failure. */
  default void onTrainEnd(TrainingProgress progress) {}
}
