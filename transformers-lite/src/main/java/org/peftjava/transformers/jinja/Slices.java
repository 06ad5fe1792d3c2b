package org.peftjava.transformers.jinja;

import java.util.ArrayList;
import java.util.List;

/** {@code value[start:stop:step]}. */
final class Slices {
  private Slices() {}

  /** The part of a list, tuple or text; {@code bounds} are two or three numbers or None. */
  static Object of(Object value, List<Object> bounds, Budget budget) {
    if (value instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (value instanceof String text) {
      int[] characters = text.codePoints().toArray();
      budget.make(characters.length);
      StringBuilder part = new StringBuilder();
      indices(characters.length, bounds).forEach(i -> part.appendCodePoint(characters[i]));
      return part.toString();
    }
    if (!(value instanceof List<?>) && !(value instanceof Tuple)) {
      throw Values.wrong(value, "a list or text to take a part of");
    }
    List<Object> items = Values.items(value, budget);
    budget.make(items.size());
    List<Object> part = new ArrayList<>();
    indices(items.size(), bounds).forEach(i -> part.add(items.get(i)));
    return value instanceof Tuple ? new Tuple(part) : part;
  }

  private static List<Integer> indices(int length, List<Object> bounds) {
    if (bounds.size() > 3) {
      throw new JinjaException("a slice has at most three numbers");
    }
    long step = bounds.size() > 2 ? bound(bounds.get(2), 1) : 1;
    if (step == 0) {
      throw new JinjaException("the step of a slice cannot be zero");
    }
    long start = clamped(bounds.get(0), step > 0 ? 0 : length - 1L, length, step);
    long stop = clamped(bounds.get(1), step > 0 ? length : -1, length, step);
    List<Integer> indices = new ArrayList<>();
    for (long i = start; step > 0 ? i < stop : i > stop; i += step) {
      indices.add((int) i);
      if (Math.abs(step) > length) {
        break;
      }
    }
    return indices;
  }

  private static long bound(Object value, long fallback) {
    return value == None.NONE ? fallback : Values.integer(value);
  }

  private static long clamped(Object value, long fallback, int length, long step) {
    if (value == None.NONE) {
      return fallback;
    }
    long index = Values.integer(value);
    if (index < 0) {
      index = Math.max(step > 0 ? 0 : -1, index + length);
    }
    return Math.min(index, step > 0 ? length : length - 1L);
  }
}
