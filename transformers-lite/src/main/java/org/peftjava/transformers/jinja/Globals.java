package org.peftjava.transformers.jinja;

import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The functions that every template may call: jinja2's, and those of chat templates. */
final class Globals {
  private static final int MAX_RANGE = 100_000; // jinja2's sandbox

  private Globals() {}

  static Map<String, Object> with(LocalDateTime now) {
    Map<String, Object> globals = new HashMap<>();
    globals.put("range", (Callable) Globals::range);
    globals.put("dict", (Callable) a -> new LinkedHashMap<>(named(a)));
    globals.put("namespace", (Callable) Globals::namespace);
    globals.put(
        "raise_exception",
        (Callable)
            a -> {
              throw new JinjaException(Values.str(a.get(0, "message"), a.budget()));
            });
    globals.put("strftime_now", (Callable) a -> Strftime.format(a.text(0, "format"), now));
    return globals;
  }

  private static Map<Object, Object> named(Arguments a) {
    Map<Object, Object> map = new LinkedHashMap<>();
    for (Object value : a.positional()) {
      if (value instanceof Map<?, ?> other) {
        map.putAll(other);
      } else {
        throw Values.wrong(value, "a dict");
      }
    }
    map.putAll(a.named());
    return map;
  }

  private static Object namespace(Arguments a) {
    Namespace namespace = new Namespace();
    named(a).forEach((key, value) -> namespace.values().put(Values.text(key), value));
    return namespace;
  }

  private static Object range(Arguments a) {
    boolean hasStart = a.positional().size() > 1;
    long start = hasStart ? Values.integer(a.get(0, "start")) : 0;
    long stop = Values.integer(a.get(hasStart ? 1 : 0, "stop"));
    long step = Values.integer(a.get(2, "step", 1L));
    if (step == 0) {
      throw new JinjaException("the step of a range must not be zero");
    }
    List<Object> items = new ArrayList<>();
    for (long i = start; step > 0 ? i < stop : i > stop; i += step) {
      if (items.size() >= MAX_RANGE) {
        throw new JinjaException("a range has at most " + MAX_RANGE + " numbers");
      }
      items.add(i);
    }
    a.budget().make(items.size());
    return items;
  }
}
