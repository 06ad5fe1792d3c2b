package org.peftjava.transformers.training;

/** What a callback can ask of the trainer; the requests of a step are met at its end. */
public final class TrainerControl {
  private boolean shouldLog;
  private boolean shouldEvaluate;
  private boolean shouldSave;
  private boolean shouldTrainingStop;

  TrainerControl() {}

  /** Asks for a log line after this step. */
  public void requestLog() {
    shouldLog = true;
  }

  /** Asks for an evaluation after this step. */
  public void requestEvaluate() {
    shouldEvaluate = true;
  }

  /** Asks for a checkpoint after this step. */
  public void requestSave() {
    shouldSave = true;
  }

  /** Ends training after this step, as early stopping does. */
  public void requestTrainingStop() {
    shouldTrainingStop = true;
  }

  boolean shouldTrainingStop() {
    return shouldTrainingStop;
  }

  boolean takeLog() {
    boolean asked = shouldLog;
    shouldLog = false;
    return asked;
  }

  boolean takeEvaluate() {
    boolean asked = shouldEvaluate;
    shouldEvaluate = false;
    return asked;
  }

  boolean takeSave() {
    boolean asked = shouldSave;
    shouldSave = false;
    return asked;
  }
}
