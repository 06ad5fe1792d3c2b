package org.peftjava.transformers.training;

/**
 * When log lines, evaluations and checkpoints are due. Reference: {@code
 * trainer_callback.py::DefaultFlowCallback}.
 */
final class DefaultFlow {
  private DefaultFlow() {}

  /** Asks for what is due after a step. */
  static void afterStep(TrainingArguments args, TrainerState state, TrainerControl control) {
    int step = state.globalStep();
    boolean last = step >= state.maxSteps();
    if ((step == 1 && args.loggingFirstStep())
        || (args.loggingStrategy() == IntervalStrategy.STEPS && step % args.loggingSteps() == 0)) {
      control.requestLog();
    }
    if (args.evalStrategy() == IntervalStrategy.STEPS
        && args.evalDelay() <= step
        && (last || step % args.evalSteps() == 0)) {
      control.requestEvaluate();
    }
    if (args.saveStrategy() == SaveStrategy.STEPS && (last || step % args.saveSteps() == 0)) {
      control.requestSave();
    }
  }

  /** Asks for what is due after an epoch. */
  static void afterEpoch(TrainingArguments args, TrainerState state, TrainerControl control) {
    if (args.loggingStrategy() == IntervalStrategy.EPOCH) {
      control.requestLog();
    }
    if (args.evalStrategy() == IntervalStrategy.EPOCH && args.evalDelay() <= state.epoch()) {
      control.requestEvaluate();
    }
    if (args.saveStrategy() == SaveStrategy.EPOCH) {
      control.requestSave();
    }
  }
}
