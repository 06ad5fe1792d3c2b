package org.peftjava.transformers.training;

import com.google.common.base.Ascii;
import com.google.common.collect.ImmutableSet;
import java.util.Arrays;
import java.util.Map;
import java.util.OptionalDouble;
import org.peftjava.torch.optim.LrSchedule;
import org.peftjava.torch.optim.MetricComparison;
import org.peftjava.torch.optim.MetricSchedule;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.torch.optim.ReduceLROnPlateau;

/** How the learning rate changes over the run, with what {@code lr_scheduler_kwargs} may hold. */
public enum SchedulerType {
  /** Up during the warm-up, then straight down to 0. */
  LINEAR,
  /** Up during the warm-up, then along half a cosine down to 0: {@code num_cycles} 0.5. */
  COSINE("num_cycles"),
  /** The same again and again, {@code num_cycles} times; by default once. */
  COSINE_WITH_RESTARTS("num_cycles"),
  /**
   * Up during the warm-up, then down to a rate of {@code lr_end} (1e-7) as a power ({@code power},
   * 1) of what is left.
   */
  POLYNOMIAL("lr_end", "power"),
  /**
   * Up during the warm-up, then down as the inverse square root of the steps, with a {@code
   * timescale} of the warm-up, or of 10,000.
   */
  INVERSE_SQRT("timescale"),
  /** The same all the time; the warm-up is ignored. */
  CONSTANT,
  /** Up during the warm-up, then the same. */
  CONSTANT_WITH_WARMUP,
  /**
   * Lower each time that evaluations have stopped getting better; the warm-up is ignored. {@code
   * mode}, {@code factor}, {@code patience} and so on are those of {@link ReduceLROnPlateau}.
   */
  REDUCE_LR_ON_PLATEAU(
      "mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "min_lr", "eps"),
  /** As COSINE, down to {@code min_lr}, or to {@code min_lr_rate} of the rate. */
  COSINE_WITH_MIN_LR("num_cycles", "min_lr", "min_lr_rate"),
  /**
   * The same, where the first step has a rate above 0: {@code warmup_lr_rate} of the highest, or as
   * much as a step of the warm-up adds.
   */
  COSINE_WARMUP_WITH_MIN_LR("num_cycles", "min_lr", "min_lr_rate", "warmup_lr_rate"),
  /**
   * Up during the warm-up, then the same, then down for {@code num_decay_steps}, along the curves
   * {@code warmup_type} and {@code decay_type}.
   */
  WARMUP_STABLE_DECAY(
      "num_decay_steps",
      "num_stable_steps",
      "warmup_type",
      "decay_type",
      "min_lr_ratio",
      "num_cycles"),
  /**
   * Higher while evaluations get better, lower while they do not; the warm-up of steps is ignored.
   * {@code mode}, {@code factor} and so on are those of {@link GreedyLR}.
   */
  GREEDY(
      "mode",
      "factor",
      "patience",
      "threshold",
      "threshold_mode",
      "cooldown",
      "warmup",
      "min_lr",
      "max_lr",
      "eps",
      "smooth",
      "window_size",
      "reset_start");

  private final ImmutableSet<String> kwargs;

  SchedulerType(String... kwargs) {
    this.kwargs = ImmutableSet.copyOf(kwargs);
  }

  /** A schedule by its Python name, such as "constant_with_warmup". */
  public static SchedulerType parse(String name) {
    for (SchedulerType type : values()) {
      if (type.pythonName().equals(name)) {
        return type;
      }
    }
    throw new IllegalArgumentException(
        "There is no schedule \""
            + name
            + "\". Expected one of "
            + Arrays.stream(values()).map(SchedulerType::pythonName).toList()
            + ".");
  }

  private String pythonName() {
    return Ascii.toLowerCase(name());
  }

  /** Whether evaluations decide about the rate, not the step. */
  boolean needsMetric() {
    return this == REDUCE_LR_ON_PLATEAU || this == GREEDY;
  }

  /**
   * The schedule of a run of this many steps.
   *
   * @param rate the learning rate that it multiplies
   */
  LrSchedule schedule(long warmupSteps, long totalSteps, double rate, Map<String, ?> settings) {
    SchedulerKwargs given = new SchedulerKwargs(pythonName(), settings, kwargs);
    return switch (this) {
      case LINEAR -> LrSchedule.linear(warmupSteps, totalSteps);
      case COSINE -> LrSchedule.cosine(warmupSteps, totalSteps, given.number("num_cycles", 0.5), 0);
      case COSINE_WITH_RESTARTS ->
          LrSchedule.cosineWithRestarts(warmupSteps, totalSteps, given.integer("num_cycles", 1));
      case POLYNOMIAL ->
          LrSchedule.polynomial(
              warmupSteps, totalSteps, end(given, rate), given.number("power", 1));
      case INVERSE_SQRT -> {
        OptionalDouble timescale = given.find("timescale");
        yield timescale.isPresent()
            ? LrSchedule.inverseSqrt(warmupSteps, timescale.getAsDouble())
            : LrSchedule.inverseSqrt(warmupSteps);
      }
      case CONSTANT -> LrSchedule.constant();
      case CONSTANT_WITH_WARMUP -> LrSchedule.constantWithWarmup(warmupSteps);
      case COSINE_WITH_MIN_LR ->
          LrSchedule.cosine(
              warmupSteps, totalSteps, given.number("num_cycles", 0.5), given.minLrRate(rate));
      case COSINE_WARMUP_WITH_MIN_LR ->
          LrSchedule.cosineFromFirstStep(
              warmupSteps,
              totalSteps,
              given.number("num_cycles", 0.5),
              given.minLrRate(rate),
              given.number("warmup_lr_rate", Double.NaN));
      case WARMUP_STABLE_DECAY -> WarmupStableDecay.of(warmupSteps, totalSteps, given);
      case REDUCE_LR_ON_PLATEAU, GREEDY ->
          throw new IllegalArgumentException(
              "The schedule "
                  + pythonName()
                  + " goes by what is measured, not by the step. Use Optimization."
                  + (this == GREEDY ? "getGreedySchedule" : "getReduceOnPlateauSchedule")
                  + ", or the Trainer.");
    };
  }

  private static double end(SchedulerKwargs given, double rate) {
    double end = given.number("lr_end", 1e-7);
    if (!(rate > end)) {
      throw new IllegalArgumentException(
          "lr_end is "
              + end
              + " and the learning rate "
              + rate
              + ". The polynomial schedule goes down: expected a smaller lr_end.");
    }
    return end / rate;
  }

  /** A schedule that {@link #needsMetric}. */
  MetricSchedule metricSchedule(Optimizer optimizer, Map<String, ?> settings) {
    SchedulerKwargs given = new SchedulerKwargs(pythonName(), settings, kwargs);
    String mode = given.text("mode", "min");
    return this == GREEDY
        ? new GreedyLR(
            optimizer,
            new GreedyLR.Options(
                MetricComparison.of(
                    mode, given.number("threshold", 1e-6), given.text("threshold_mode", "abs")),
                given.number("factor", 0.95),
                given.integer("patience", 10),
                given.integer("cooldown", 0),
                given.integer("warmup", 0),
                given.number("min_lr", 1e-3),
                given.number("max_lr", 1),
                given.number("eps", 1e-8),
                given.flag("smooth"),
                given.integer("window_size", 50),
                given.integer("reset_start", 500)))
        : new ReduceLROnPlateau(
            optimizer,
            new ReduceLROnPlateau.Options(
                MetricComparison.of(
                    mode, given.number("threshold", 1e-4), given.text("threshold_mode", "rel")),
                given.number("factor", 0.1),
                given.integer("patience", 10),
                given.integer("cooldown", 0),
                given.number("min_lr", 0),
                given.number("eps", 1e-8)));
  }
}
