package org.peftjava.transformers.jinja;

import java.util.List;
import java.util.Map;

/** The arguments of a call. */
record Arguments(List<Object> positional, Map<String, Object> named, Budget budget) {
  /** An argument by place or name, or the fallback. */
  Object get(int place, String name, Object fallback) {
    if (place < positional.size()) {
      return positional.get(place);
    }
    return named.getOrDefault(name, fallback);
  }

  /** A required argument. */
  Object get(int place, String name) {
    Object value = get(place, name, None.class);
    if (value == None.class) {
      throw new JinjaException("the argument '" + name + "' is missing");
    }
    return value;
  }

  String text(int place, String name, String fallback) {
    Object value = get(place, name, fallback);
    return Values.text(value);
  }

  String text(int place, String name) {
    return Values.text(get(place, name));
  }

  int integer(int place, String name, int fallback) {
    Object value = get(place, name, (long) fallback);
    return value == None.NONE
        ? fallback
        : (int) Math.max(-1L << 30, Math.min(1L << 30, Values.integer(value)));
  }

  int count() {
    return positional.size() + named.size();
  }
}
