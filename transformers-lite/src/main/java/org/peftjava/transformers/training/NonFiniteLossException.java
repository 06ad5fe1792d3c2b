package org.peftjava.transformers.training;

/**
 * The loss or its gradient became infinite or NaN. Thrown before the optimizer step, so that the
 * weights are still those of the step before, and checkpoints are untouched.
 */
public final class NonFiniteLossException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final int globalStep;

  NonFiniteLossException(int globalStep, String message) {
    super(message);
    this.globalStep = globalStep;
  }

  /** Optimizer steps that were completed before. */
  public int globalStep() {
    return globalStep;
  }
}
