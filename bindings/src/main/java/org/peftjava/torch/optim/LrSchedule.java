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
    return cosine(warmupSteps, totalSteps, 0.5, 0);
  }

  /**
   * Rises linearly from 0 during the warm-up, then goes along a cosine.
   *
   * @param cycles waves until {@code totalSteps}
   * @param end the lowest factor
   */
  static LrSchedule cosine(long warmupSteps, long totalSteps, double cycles, double end) {
    return step -> {
      if (step < warmupSteps) {
        return step / (double) Math.max(1, warmupSteps);
      }
      double progress = (step - warmupSteps) / (double) Math.max(1, totalSteps - warmupSteps);
      return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * cycles * 2 * progress)) * (1 - end) + end);
    };
  }

  /**
   * As {@link #cosine(long, long, double, double)}, but each step has the factor of its end: the
   * first one is not lost to a rate of 0.
   *
   * @param first the factor of the first step of the warm-up; NaN for that of its end
   */
  static LrSchedule cosineFromFirstStep(
      long warmupSteps, long totalSteps, double cycles, double end, double first) {
    return step -> {
      if (step < warmupSteps) {
        return Double.isNaN(first)
            ? (step + 1.0) / Math.max(1, warmupSteps)
            : first + (1 - first) * step / Math.max(1, warmupSteps - 1);
      }
      double progress = (step - warmupSteps + 1.0) / Math.max(1, totalSteps - warmupSteps);
      return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * cycles * 2 * progress)) * (1 - end) + end);
    };
  }

  /**
   * Rises linearly from 0 during the warm-up, then falls along half a cosine again and again, from
   * 1 each time, to 0 at {@code totalSteps}.
   */
  static LrSchedule cosineWithRestarts(long warmupSteps, long totalSteps, int cycles) {
    return step -> {
      if (step < warmupSteps) {
        return step / (double) Math.max(1, warmupSteps);
      }
      double progress = (step - warmupSteps) / (double) Math.max(1, totalSteps - warmupSteps);
      return progress >= 1
          ? 0
          : Math.max(0, 0.5 * (1 + Math.cos(Math.PI * ((cycles * progress) % 1))));
    };
  }

  /**
   * Rises linearly from 0 during the warm-up, then falls to {@code end} at {@code totalSteps} as a
   * power of what is left.
   *
   * @param end the last rate as a part of the first
   * @param power 1 for a straight line
   */
  static LrSchedule polynomial(long warmupSteps, long totalSteps, double end, double power) {
    return step -> {
      if (step < warmupSteps) {
        return step / (double) Math.max(1, warmupSteps);
      }
      if (step >= totalSteps) {
        return end;
      }
      double left = 1 - (step - warmupSteps) / (double) (totalSteps - warmupSteps);
      return (1 - end) * Math.pow(left, power) + end;
    };
  }

  /**
   * Rises linearly from 0 during the warm-up, then falls as the inverse square root of the steps.
   */
  static LrSchedule inverseSqrt(long warmupSteps) {
    return inverseSqrt(warmupSteps, warmupSteps == 0 ? 10_000 : warmupSteps);
  }

  /**
   * The same.
   *
   * @param timescale the steps after which the rate has fallen by the root of 2
   */
  static LrSchedule inverseSqrt(long warmupSteps, double timescale) {
    return step ->
        step < warmupSteps
            ? step / (double) warmupSteps
            : 1 / Math.sqrt((step + timescale - warmupSteps) / timescale);
  }
}
