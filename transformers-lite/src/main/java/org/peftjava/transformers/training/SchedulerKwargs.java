package org.peftjava.transformers.training;

import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** The {@code lr_scheduler_kwargs} of one kind of schedule: numbers, truth values or texts. */
final class SchedulerKwargs {
  private final String schedule;
  private final Map<String, ?> values;

  /** Fails if the schedule does not know one of them. */
  SchedulerKwargs(String schedule, Map<String, ?> values, Set<String> known) {
    this.schedule = schedule;
    this.values = values;
    Set<String> unknown = new TreeSet<>(values.keySet());
    unknown.removeAll(known);
    if (!unknown.isEmpty()) {
      throw new IllegalArgumentException(
          "lr_scheduler_kwargs has "
              + unknown
              + ", which the schedule "
              + schedule
              + " does not know. "
              + (known.isEmpty() ? "It has none." : "It knows " + new TreeSet<>(known) + "."));
    }
  }

  OptionalDouble find(String name) {
    Object value = values.get(name);
    if (value == null) {
      return OptionalDouble.empty();
    }
    if (value instanceof Number number) {
      return OptionalDouble.of(number.doubleValue());
    }
    try {
      return OptionalDouble.of(Double.parseDouble(value.toString()));
    } catch (NumberFormatException e) {
      throw invalid(name, "a number");
    }
  }

  double number(String name, double fallback) {
    return find(name).orElse(fallback);
  }

  int integer(String name, int fallback) {
    double value = number(name, fallback);
    if (value != Math.rint(value) || Math.abs(value) > Integer.MAX_VALUE) {
      throw invalid(name, "a whole number");
    }
    return (int) value;
  }

  int required(String name) {
    if (find(name).isEmpty()) {
      throw new IllegalArgumentException(
          "The schedule "
              + schedule
              + " needs \""
              + name
              + "\" in lr_scheduler_kwargs, which are "
              + new TreeMap<>(values)
              + ".");
    }
    return integer(name, 0);
  }

  boolean flag(String name) {
    Object value = values.get(name);
    return value instanceof Boolean flag ? flag : value != null && value.toString().equals("true");
  }

  String text(String name, String fallback) {
    Object value = values.get(name);
    return value == null ? fallback : value.toString();
  }

  /** The lowest rate as a part of the highest: one of {@code min_lr} and {@code min_lr_rate}. */
  double minLrRate(double rate) {
    OptionalDouble absolute = find("min_lr");
    OptionalDouble relative = find("min_lr_rate");
    if (absolute.isPresent() == relative.isPresent()) {
      throw new IllegalArgumentException(
          "The schedule "
              + schedule
              + " needs one of \"min_lr\" and \"min_lr_rate\" in lr_scheduler_kwargs, which are "
              + new TreeMap<>(values)
              + ".");
    }
    return absolute.isPresent() ? absolute.getAsDouble() / rate : relative.getAsDouble();
  }

  private IllegalArgumentException invalid(String name, String expected) {
    return new IllegalArgumentException(
        "\""
            + name
            + "\" in lr_scheduler_kwargs is "
            + values.get(name)
            + ". Expected "
            + expected
            + ".");
  }
}
