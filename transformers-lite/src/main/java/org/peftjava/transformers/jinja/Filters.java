package org.peftjava.transformers.jinja;

import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The filters of one value; those of sequences are in {@link SequenceFilters}. */
final class Filters {
  private static final Map<String, Callable> ALL = new HashMap<>(SequenceFilters.ALL);

  static {
    ALL.put("tojson", JsonText::of);
    ALL.put("trim", Filters::trim);
    ALL.put("upper", a -> text(a).toUpperCase(Locale.ROOT));
    ALL.put("lower", a -> text(a).toLowerCase(Locale.ROOT));
    ALL.put("title", a -> title(text(a)));
    ALL.put("capitalize", a -> Text.capitalize(text(a)));
    ALL.put("string", Filters::text);
    ALL.put("safe", Filters::text);
    ALL.put("e", Filters::escape);
    ALL.put("escape", Filters::escape);
    ALL.put("forceescape", Filters::escape);
    ALL.put(
        "replace",
        a -> {
          String old = Values.str(a.get(1, "old"), a.budget());
          String replacement = Values.str(a.get(2, "new"), a.budget());
          return StringMethods.replace(text(a), old, replacement, a.integer(3, "count", -1), a);
        });
    ALL.put("format", a -> Formats.percent(text(a), rest(a), a.budget()));
    ALL.put("indent", Filters::indent);
    ALL.put("wordcount", a -> (long) text(a).split("\\W+").length);
    ALL.put("default", Filters::fallback);
    ALL.put("d", Filters::fallback);
    ALL.put("int", Filters::integer);
    ALL.put("float", Filters::floating);
    ALL.put(
        "abs",
        a -> {
          Object value = a.get(0, "x");
          return Operators.compare(value, 0L, a.budget()) < 0
              ? Operators.arithmetic("-", 0L, value)
              : value;
        });
    ALL.put("round", Filters::round);
    ALL.put("attr", a -> Attributes.attribute(a.get(0, "obj"), a.text(1, "name"), a.budget()));
  }

  private Filters() {}

  static Callable named(String name, int line) {
    Callable filter = ALL.get(name);
    if (filter == null) {
      throw new JinjaException("there is no filter named '" + name + "'", line);
    }
    return filter;
  }

  private static String text(Arguments a) {
    return Values.str(a.get(0, "value"), a.budget());
  }

  private static Tuple rest(Arguments a) {
    return new Tuple(a.positional().subList(1, a.positional().size()));
  }

  private static Object trim(Arguments a) {
    Object chars = a.get(1, "chars", None.NONE);
    if (chars == None.NONE) {
      return Text.strip(text(a), true, true, Text::isSpace);
    }
    String set = Values.text(chars);
    return Text.strip(text(a), true, true, c -> set.indexOf(c) >= 0);
  }

  /** Unlike the method, a capital only at the beginning of words. */
  private static String title(String text) {
    StringBuilder out = new StringBuilder(text.length());
    boolean begins = true;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      out.append(begins ? Character.toUpperCase(c) : Character.toLowerCase(c));
      begins = Text.isSpace(c) || "-({[<".indexOf(c) >= 0;
    }
    return out.toString();
  }

  private static Object escape(Arguments a) {
    String text = text(a);
    a.budget().make(5L * text.length());
    return text.replace("&", "&amp;")
        .replace(">", "&gt;")
        .replace("<", "&lt;")
        .replace("'", "&#39;")
        .replace("\"", "&#34;");
  }

  private static Object indent(Arguments a) {
    Object width = a.get(1, "width", 4L);
    String indent = width instanceof String text ? text : " ".repeat(clampedWidth(a));
    boolean first = Values.isTrue(a.get(2, "first", false));
    boolean blank = Values.isTrue(a.get(3, "blank", false));
    List<Object> lines = Splits.lines(text(a) + "\n", false);
    a.budget().make((long) lines.size() * indent.length() + text(a).length());
    StringBuilder out = new StringBuilder(first ? indent : "");
    for (int i = 0; i < lines.size(); i++) {
      String line = (String) lines.get(i);
      if (i > 0) {
        out.append('\n').append(blank || !line.isEmpty() ? indent : "");
      }
      out.append(line);
    }
    return out.toString();
  }

  private static int clampedWidth(Arguments a) {
    return Math.max(0, Math.min(1000, a.integer(1, "width", 4)));
  }

  private static Object fallback(Arguments a) {
    Object value = a.get(0, "value");
    boolean isMissing =
        value instanceof Undefined
            || (Values.isTrue(a.get(2, "boolean", false)) && !Values.isTrue(value));
    return isMissing ? a.get(1, "default_value", "") : value;
  }

  private static Object integer(Arguments a) {
    Object value = a.get(0, "value");
    try {
      if (value instanceof String text) {
        int base = a.integer(2, "base", 10);
        String digits = Text.strip(text, true, true, Text::isSpace);
        return digits.contains(".")
            ? (long) Double.parseDouble(digits)
            : (Object) Long.parseLong(digits, base);
      }
      if (Values.isNumber(value)) {
        return (long) Values.number(value);
      }
    } catch (NumberFormatException e) {
      // the default
    }
    return a.get(1, "default", 0L);
  }

  private static Object floating(Arguments a) {
    Object value = a.get(0, "value");
    try {
      if (value instanceof String text) {
        return Double.parseDouble(text.strip());
      }
      if (Values.isNumber(value)) {
        return Values.number(value);
      }
    } catch (NumberFormatException e) {
      // the default
    }
    return a.get(1, "default", 0.0);
  }

  private static Object round(Arguments a) {
    double value = Values.number(a.get(0, "value"));
    double factor = Math.pow(10, a.integer(1, "precision", 0));
    return switch (a.text(2, "method", "common")) {
      case "ceil" -> Math.ceil(value * factor) / factor;
      case "floor" -> Math.floor(value * factor) / factor;
      default -> Math.rint(value * factor) / factor;
    };
  }
}
