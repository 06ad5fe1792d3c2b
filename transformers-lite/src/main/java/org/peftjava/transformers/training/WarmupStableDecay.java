package org.peftjava.transformers.training;

import java.util.Locale;
import org.peftjava.torch.optim.LrSchedule;

/**
 * Up during the warm-up, then the same, then down.
 *
 * <p>Reference: transformers' {@code get_wsd_schedule}.
 *
 * @param warmupSteps steps of the first part
 * @param stableSteps steps of the second part
 * @param decaySteps steps of the third part
 * @param warmup the curve of the first part
 * @param decay the curve of the third part
 * @param end the lowest factor
 * @param cycles waves of a cosine in the third part
 */
record WarmupStableDecay(
    long warmupSteps,
    long stableSteps,
    long decaySteps,
    Curve warmup,
    Curve decay,
    double end,
    double cycles)
    implements LrSchedule {
  /** How a part goes. */
  enum Curve {
    LINEAR,
    COSINE,
    ONE_MINUS_SQRT;

    static Curve parse(String name, String word) {
      return switch (word.toLowerCase(Locale.ROOT)) {
        case "linear" -> LINEAR;
        case "cosine" -> COSINE;
        case "1-sqrt" -> ONE_MINUS_SQRT;
        default ->
            throw new IllegalArgumentException(
                name + " is \"" + word + "\". Expected \"linear\", \"cosine\" or \"1-sqrt\".");
      };
    }
  }

  static LrSchedule of(long warmupSteps, long totalSteps, SchedulerKwargs kwargs) {
    int decaySteps = kwargs.required("num_decay_steps");
    return new WarmupStableDecay(
        warmupSteps,
        (long) kwargs.number("num_stable_steps", (double) totalSteps - warmupSteps - decaySteps),
        decaySteps,
        Curve.parse("warmup_type", kwargs.text("warmup_type", "linear")),
        Curve.parse("decay_type", kwargs.text("decay_type", "cosine")),
        kwargs.number("min_lr_ratio", 0),
        kwargs.number("num_cycles", 0.5));
  }

  @Override
  public double factor(long step) {
    if (step < warmupSteps) {
      return above(rising(step / (double) Math.max(1, warmupSteps)));
    }
    if (step < warmupSteps + stableSteps) {
      return 1;
    }
    if (step < warmupSteps + stableSteps + decaySteps) {
      long done = step - warmupSteps - stableSteps;
      return above(falling(done / (double) Math.max(1, decaySteps)));
    }
    return end;
  }

  private double rising(double progress) {
    return switch (warmup) {
      case LINEAR -> progress;
      case COSINE -> 0.5 * (1 - Math.cos(Math.PI * progress));
      case ONE_MINUS_SQRT -> 1 - Math.sqrt(1 - progress);
    };
  }

  private double falling(double progress) {
    return switch (decay) {
      case LINEAR -> 1 - progress;
      case COSINE -> 0.5 * (1 + Math.cos(Math.PI * cycles * 2 * progress));
      case ONE_MINUS_SQRT -> 1 - Math.sqrt(progress);
    };
  }

  private double above(double factor) {
    return Math.max(0, factor * (1 - end) + end);
  }
}
