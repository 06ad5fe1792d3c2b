package org.peftjava.torch.optim;

/**
 * Factor on the learning rate at each optimizer step, counted from 0.
 *
 * <p>Reference: {@code transformers.optimization} (get_linear_schedule_with_warmup and its
 * siblings).
 */
@FunctionalInterface
public interface LrSchedule {
  /** The factor at this step. */
  double factor(long step);

  /** Always 1. */
  static LrSchedule constant() {
    return step -> 1;
  }

  /** Rises linearly from 0 during the warm-up, then stays 1. */
  static LrSchedule constantWithWarmup(long warmupSteps) {
    return step -> step < warmupSteps ? step / (double) Math.max(1, warmupSteps) : 1;
  }

  /** Rises linearly from 0 during the warm-up, then falls linearly to 0 at {@code totalSteps}. */
  static LrSchedule linear(long warmupSteps, long totalSteps) {
    return step ->
        step < warmupSteps
            ? step / (double) Math.max(1, warmupSteps)
            : Math.max(0, (totalSteps - step) / (double) Math.max(1, totalSteps - warmupSteps));
  }

  /**
   * Rises linearly from 0 during the warm-up, then falls along half a cosine to 0 at {@code
   * totalSteps}.
   */
  static LrSchedule cosine(long warmupSteps, long totalSteps) {
    return step -> {
      if (step < warmupSteps) {
        return step / (double) Math.max(1, warmupSteps);
      }
      double progress = (step - warmupSteps) / (double) Math.max(1, totalSteps - warmupSteps);
      return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
    };
  }
}
