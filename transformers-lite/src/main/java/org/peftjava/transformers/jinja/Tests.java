package org.peftjava.transformers.jinja;

import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Predicate;

/** What may stand behind {@code is}. */
final class Tests {
  private static final Map<String, Callable> ALL = new HashMap<>();

  static {
    value("defined", value -> !(value instanceof Undefined));
    value("undefined", value -> value instanceof Undefined);
    value("none", value -> value == None.NONE);
    value("string", value -> value instanceof String);
    value("boolean", value -> value instanceof Boolean);
    value("true", value -> value.equals(true));
    value("false", value -> value.equals(false));
    value("integer", value -> value instanceof Long);
    value("float", value -> value instanceof Double);
    value("number", Values::isNumber);
    value("mapping", value -> value instanceof Map<?, ?>);
    value("sequence", Tests::isSequence);
    value("iterable", value -> isSequence(value) || value instanceof Undefined);
    value("callable", value -> value instanceof Callable || value instanceof LoopVariable);
    value("odd", value -> Math.floorMod(Values.integer(value), 2L) == 1);
    value("even", value -> Math.floorMod(Values.integer(value), 2L) == 0);
    value(
        "lower",
        value -> {
          String text = Values.text(value);
          return !text.equals(text.toUpperCase(Locale.ROOT))
              && text.equals(text.toLowerCase(Locale.ROOT));
        });
    value(
        "upper",
        value -> {
          String text = Values.text(value);
          return !text.equals(text.toLowerCase(Locale.ROOT))
              && text.equals(text.toUpperCase(Locale.ROOT));
        });
    for (String name : List.of("eq", "equalto", "==", "sameas")) {
      ALL.put(name, a -> Operators.isEqual(a.get(0, "value"), a.get(1, "other"), a.budget()));
    }
    ALL.put("ne", a -> !Operators.isEqual(a.get(0, "value"), a.get(1, "other"), a.budget()));
    for (String name : List.of("lt", "lessthan")) {
      ALL.put(name, a -> compare(a) < 0);
    }
    for (String name : List.of("gt", "greaterthan")) {
      ALL.put(name, a -> compare(a) > 0);
    }
    ALL.put("le", a -> compare(a) <= 0);
    ALL.put("ge", a -> compare(a) >= 0);
    ALL.put("in", a -> Operators.contains(a.get(1, "seq"), a.get(0, "value"), a.budget()));
    ALL.put(
        "divisibleby",
        a -> Operators.arithmetic("%", a.get(0, "value"), a.get(1, "num")).equals(0L));
  }

  private Tests() {}

  private static void value(String name, Predicate<Object> test) {
    ALL.put(name, a -> test.test(a.get(0, "value")));
  }

  private static boolean isSequence(Object value) {
    return value instanceof String
        || value instanceof List<?>
        || value instanceof Tuple
        || value instanceof Map<?, ?>;
  }

  private static int compare(Arguments a) {
    return Operators.compare(a.get(0, "value"), a.get(1, "other"), a.budget());
  }

  static Callable named(String name, int line) {
    Callable test = ALL.get(name);
    if (test == null) {
      throw new JinjaException("there is no test named '" + name + "'", line);
    }
    return test;
  }
}
