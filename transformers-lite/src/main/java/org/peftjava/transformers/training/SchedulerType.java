package org.peftjava.transformers.training;

import org.peftjava.torch.optim.LrSchedule;

/** How the learning rate changes over the run. */
public enum SchedulerType {
  /** Up during the warm-up, then straight down to 0. */
  LINEAR,
  /** Up during the warm-up, then along half a cosine down to 0. */
  COSINE,
  /** The same all the time; the warm-up is ignored. */
  CONSTANT,
  /** Up during the warm-up, then the same. */
  CONSTANT_WITH_WARMUP;

  /** The schedule of a run of this many steps. */
  LrSchedule schedule(long warmupSteps, long totalSteps) {
    return switch (this) {
      case LINEAR -> LrSchedule.linear(warmupSteps, totalSteps);
      case COSINE -> LrSchedule.cosine(warmupSteps, totalSteps);
      case CONSTANT -> LrSchedule.constant();
      case CONSTANT_WITH_WARMUP -> LrSchedule.constantWithWarmup(warmupSteps);
    };
  }
}
