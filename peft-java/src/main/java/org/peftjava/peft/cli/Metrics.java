package org.peftjava.peft.cli;

import java.util.Map;

/** Reads figures of a run by name. */
final class Metrics {
  private Metrics() {}

  /** The figure, or NaN if the run did not measure it. */
  static double get(Map<String, Double> metrics, String name) {
    Double value = metrics.get(name);
    return value == null ? Double.NaN : value;
  }
}
