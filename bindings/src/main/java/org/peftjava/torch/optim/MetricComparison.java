package org.peftjava.torch.optim;

import java.util.Locale;

/**
 * When a measurement counts as better than the best so far.
 *
 * @param mode whether less or more is better
 * @param threshold by how much it must be better
 * @param thresholdMode whether that is a part of the best or a difference
 */
public record MetricComparison(Mode mode, double threshold, ThresholdMode thresholdMode) {
  /** What is better. */
  public enum Mode {
    /** Less. */
    MIN,
    /** More. */
    MAX
  }

  /** What the threshold is. */
  public enum ThresholdMode {
    /** A part of the best. */
    REL,
    /** A difference to the best. */
    ABS
  }

  /** By Python's names: "min" or "max", "rel" or "abs". */
  public static MetricComparison of(String mode, double threshold, String thresholdMode) {
    return new MetricComparison(
        word(Mode.class, "mode", mode),
        threshold,
        word(ThresholdMode.class, "threshold_mode", thresholdMode));
  }

  private static <E extends Enum<E>> E word(Class<E> type, String name, String word) {
    for (E constant : type.getEnumConstants()) {
      if (constant.name().toLowerCase(Locale.ROOT).equals(word)) {
        return constant;
      }
    }
    throw new IllegalArgumentException(
        name
            + " is \""
            + word
            + "\". Expected \""
            + type.getEnumConstants()[0].name().toLowerCase(Locale.ROOT)
            + "\" or \""
            + type.getEnumConstants()[1].name().toLowerCase(Locale.ROOT)
            + "\".");
  }

  /** Worse than everything. */
  public double worst() {
    return mode == Mode.MIN ? Double.POSITIVE_INFINITY : Double.NEGATIVE_INFINITY;
  }

  /** Whether {@code metric} is better than {@code best}. */
  public boolean isBetter(double metric, double best) {
    boolean relative = thresholdMode == ThresholdMode.REL;
    return mode == Mode.MIN
        ? metric < (relative ? best * (1 - threshold) : best - threshold)
        : metric > (relative ? best * (1 + threshold) : best + threshold);
  }
}
