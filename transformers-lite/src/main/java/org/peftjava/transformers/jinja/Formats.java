package org.peftjava.transformers.jinja;

import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Numbers in text, {@code "%s" % value} and {@code "{}".format(value)}. */
final class Formats {
  private static final Pattern PERCENT =
      Pattern.compile("%(?:\\((\\w+)\\))?([-0+ ]*)(\\d{1,3})?(?:\\.(\\d{1,2}))?([sdirfx%])");
  private static final Pattern FIELD = Pattern.compile("\\{\\{|\\}\\}|\\{(\\w*)(?::([^{}]*))?\\}");

  private Formats() {}

  static Object toLong(String digits) {
    try {
      return Long.parseLong(digits);
    } catch (NumberFormatException e) {
      throw new JinjaException("the number " + shown(digits) + " is too large");
    }
  }

  private static String shown(String text) {
    return text.length() <= 40 ? text : text.substring(0, 40) + "...";
  }

  static String percent(String format, Object value, Budget budget) {
    List<Object> values = value instanceof Tuple tuple ? tuple.items() : List.of(value);
    Matcher matcher = PERCENT.matcher(format);
    StringBuilder out = new StringBuilder();
    int next = 0;
    int from = 0;
    while (matcher.find()) {
      budget.make(matcher.start() - from);
      out.append(format, from, matcher.start());
      from = matcher.end();
      String kind = matcher.group(5);
      if (kind.equals("%")) {
        out.append('%');
        continue;
      }
      Object item;
      if (matcher.group(1) != null) {
        item = Attributes.item(value, matcher.group(1), budget);
      } else if (next < values.size()) {
        item = values.get(next++);
      } else {
        throw new JinjaException("not enough values for the format \"" + shown(format) + "\"");
      }
      out.append(conversion(matcher, kind, item, budget));
    }
    return out.append(format, from, format.length()).toString();
  }

  private static String conversion(Matcher matcher, String kind, Object item, Budget budget) {
    String flags = matcher.group(2);
    int width = matcher.group(3) == null ? 0 : Integer.parseInt(matcher.group(3));
    String precision = matcher.group(4);
    String text =
        switch (kind) {
          case "s" -> Values.str(item, budget);
          case "r" -> item instanceof String s ? Text.repr(s) : Values.str(item, budget);
          case "f" ->
              String.format(
                  Locale.ROOT,
                  "%." + (precision == null ? "6" : precision) + "f",
                  Values.number(item));
          case "x" -> Long.toHexString(Values.integer(item));
          default -> Long.toString((long) Values.number(item));
        };
    if (kind.equals("s") && precision != null) {
      text = text.substring(0, Math.min(text.length(), Integer.parseInt(precision)));
    }
    if (flags.indexOf('+') >= 0 && !kind.equals("s") && !text.startsWith("-")) {
      text = "+" + text;
    }
    budget.make((long) text.length() + width);
    String fill = (flags.indexOf('0') >= 0 && !kind.equals("s") ? "0" : " ");
    String padding = fill.repeat(Math.max(0, width - text.length()));
    return flags.indexOf('-') >= 0 ? text + padding : padding + text;
  }

  static String format(String format, Arguments arguments) {
    Budget budget = arguments.budget();
    Matcher matcher = FIELD.matcher(format);
    StringBuilder out = new StringBuilder();
    int next = 0;
    int from = 0;
    while (matcher.find()) {
      out.append(format, from, matcher.start());
      from = matcher.end();
      String whole = matcher.group();
      if (whole.length() == 2 && matcher.group(1) == null) {
        out.append(whole.charAt(0));
        continue;
      }
      String name = matcher.group(1);
      Object value;
      if (name.isEmpty()) {
        value = arguments.get(next++, "");
      } else if (Character.isDigit(name.charAt(0))) {
        value = arguments.get((int) Math.min(1000, (long) toLong(name)), "");
      } else {
        value = arguments.get(Integer.MAX_VALUE, name);
      }
      String spec = matcher.group(2);
      String text =
          spec == null || spec.isEmpty()
              ? Values.str(value, budget)
              : percent("%" + spec + (spec.matches(".*[sdfx]$") ? "" : "s"), value, budget);
      budget.make((long) out.length() + text.length());
      out.append(text);
    }
    return out.append(format, from, format.length()).toString();
  }
}
