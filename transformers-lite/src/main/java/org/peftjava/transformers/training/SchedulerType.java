package org.peftjava.transformers.training;

import com.google.common.base.Ascii;
import java.util.Arrays;
import org.peftjava.torch.optim.LrSchedule;

/** How the learning rate changes over the run. */
public enum SchedulerType {
  /** Up during the warm-up, then straight down to 0. */
  LINEAR,
  /** Up during the warm-up, then along half a cosine down to 0. */
  COSINE,
  /** The same with one restart, which is none: {@code num_cycles} is 1. */
  COSINE_WITH_RESTARTS,
  /** Up during the warm-up, then straight down to a rate of 1e-7. */
  POLYNOMIAL,
  /** Up during the warm-up, then down as the inverse square root of the steps. */
  INVERSE_SQRT,
  /** The same all the time; the warm-up is ignored. */
  CONSTANT,
  /** Up during the warm-up, then the same. */
  CONSTANT_WITH_WARMUP;

  private static final double LR_END = 1e-7;

  /** A schedule by its Python name, such as "constant_with_warmup". */
  public static SchedulerType parse(String name) {
    for (SchedulerType type : values()) {
      if (Ascii.toLowerCase(type.name()).equals(name)) {
        return type;
      }
    }
    throw new IllegalArgumentException(
        "There is no schedule \""
            + name
            + "\". Expected one of "
            + Arrays.stream(values()).map(type -> Ascii.toLowerCase(type.name())).toList()
            + ".");
  }

  /**
   * The schedule of a run of this many steps.
   *
   * @param rate the learning rate that it multiplies
   */
  LrSchedule schedule(long warmupSteps, long totalSteps, double rate) {
    return switch (this) {
      case LINEAR -> LrSchedule.linear(warmupSteps, totalSteps);
      case COSINE -> LrSchedule.cosine(warmupSteps, totalSteps);
      case COSINE_WITH_RESTARTS -> LrSchedule.cosineWithRestarts(warmupSteps, totalSteps, 1);
      case POLYNOMIAL ->
          LrSchedule.polynomial(warmupSteps, totalSteps, rate > 0 ? LR_END / rate : 0, 1);
      case INVERSE_SQRT -> LrSchedule.inverseSqrt(warmupSteps);
      case CONSTANT -> LrSchedule.constant();
      case CONSTANT_WITH_WARMUP -> LrSchedule.constantWithWarmup(warmupSteps);
    };
  }
}
