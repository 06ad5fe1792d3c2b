package org.peftjava.transformers.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.IntPredicate;

/** The methods of Python's {@code str}. */
final class StringMethods {
  private StringMethods() {}

  static Optional<Callable> named(String text, String name) {
    Callable method =
        switch (name) {
          case "strip" -> a -> strip(text, a, true, true);
          case "lstrip" -> a -> strip(text, a, true, false);
          case "rstrip" -> a -> strip(text, a, false, true);
          case "upper" -> a -> text.toUpperCase(Locale.ROOT);
          case "lower", "casefold" -> a -> text.toLowerCase(Locale.ROOT);
          case "title" -> a -> Text.title(text);
          case "capitalize" -> a -> Text.capitalize(text);
          case "startswith" -> a -> startsOrEnds(text, a, true);
          case "endswith" -> a -> startsOrEnds(text, a, false);
          case "removeprefix" ->
              a -> {
                String prefix = a.text(0, "prefix");
                return text.startsWith(prefix) ? text.substring(prefix.length()) : text;
              };
          case "removesuffix" ->
              a -> {
                String suffix = a.text(0, "suffix");
                return text.endsWith(suffix)
                    ? text.substring(0, text.length() - suffix.length())
                    : text;
              };
          case "replace" ->
              a -> replace(text, a.text(0, "old"), a.text(1, "new"), a.integer(2, "count", -1), a);
          case "split" -> a -> Splits.split(text, a, false);
          case "rsplit" -> a -> Splits.split(text, a, true);
          case "splitlines" -> a -> Splits.lines(text, Values.isTrue(a.get(0, "keepends", false)));
          case "partition" -> a -> Splits.partition(text, a.text(0, "sep"), false);
          case "rpartition" -> a -> Splits.partition(text, a.text(0, "sep"), true);
          case "join" ->
              a -> join(text, Values.items(a.get(0, "iterable"), a.budget()), a.budget());
          case "find" -> a -> place(text, text.indexOf(a.text(0, "sub")));
          case "rfind" -> a -> place(text, text.lastIndexOf(a.text(0, "sub")));
          case "index" ->
              a -> {
                int at = text.indexOf(a.text(0, "sub"));
                if (at < 0) {
                  throw new JinjaException("the text to find is not there");
                }
                return place(text, at);
              };
          case "count" -> a -> count(text, a.text(0, "sub"));
          case "format" -> a -> Formats.format(text, a);
          case "zfill" -> a -> zfill(text, a.integer(0, "width", 0), a.budget());
          case "isdigit", "isdecimal", "isnumeric" -> a -> all(text, Character::isDigit);
          case "isalpha" -> a -> all(text, Character::isLetter);
          case "isalnum" -> a -> all(text, Character::isLetterOrDigit);
          case "isspace" -> a -> all(text, Text::isSpace);
          case "isupper" -> a -> hasCase(text) && text.equals(text.toUpperCase(Locale.ROOT));
          case "islower" -> a -> hasCase(text) && text.equals(text.toLowerCase(Locale.ROOT));
          default -> null;
        };
    return Optional.ofNullable(method);
  }

  private static Object strip(String text, Arguments a, boolean atStart, boolean atEnd) {
    Object chars = a.get(0, "chars", None.NONE);
    a.budget().make(text.length());
    if (chars == None.NONE) {
      return Text.strip(text, atStart, atEnd, Text::isSpace);
    }
    String set = Values.text(chars);
    return Text.strip(text, atStart, atEnd, c -> set.indexOf(c) >= 0);
  }

  private static Object startsOrEnds(String text, Arguments a, boolean starts) {
    Object part = a.get(0, "prefix");
    List<Object> parts = part instanceof Tuple tuple ? tuple.items() : List.of(part);
    for (Object each : parts) {
      String candidate = Values.text(each);
      if (starts ? text.startsWith(candidate) : text.endsWith(candidate)) {
        return true;
      }
    }
    return false;
  }

  static String replace(String text, String old, String replacement, int count, Arguments a) {
    long most = old.isEmpty() ? text.length() + 1L : (long) count(text, old);
    long times = count < 0 ? most : Math.min(count, most);
    a.budget().make(text.length() + times * Math.max(0, replacement.length() - old.length()));
    if (count < 0) {
      return text.replace(old, replacement);
    }
    StringBuilder out = new StringBuilder();
    int from = 0;
    for (long i = 0; i < times; i++) {
      int at = text.indexOf(old, old.isEmpty() && i > 0 ? from + 1 : from);
      out.append(text, from, at).append(replacement);
      from = at + old.length();
    }
    return out.append(text, from, text.length()).toString();
  }

  static String join(String separator, List<Object> items, Budget budget) {
    long length = 0;
    List<String> texts = new ArrayList<>(items.size());
    for (Object item : items) {
      String text = Values.str(item, budget);
      texts.add(text);
      length += text.length() + separator.length();
      budget.step();
    }
    budget.make(length);
    return String.join(separator, texts);
  }

  private static Object place(String text, int at) {
    return at < 0 ? -1L : (long) text.codePointCount(0, at);
  }

  private static Object count(String text, String part) {
    if (part.isEmpty()) {
      return text.codePointCount(0, text.length()) + 1L;
    }
    long count = 0;
    for (int at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length())) {
      count++;
    }
    return count;
  }

  private static Object zfill(String text, int width, Budget budget) {
    int missing = Math.max(0, width - text.length());
    budget.make((long) text.length() + missing);
    boolean isSigned = text.startsWith("-") || text.startsWith("+");
    int sign = isSigned ? 1 : 0;
    return text.substring(0, sign) + "0".repeat(missing) + text.substring(sign);
  }

  private static Object all(String text, IntPredicate test) {
    return !text.isEmpty() && text.codePoints().allMatch(test);
  }

  private static boolean hasCase(String text) {
    return text.codePoints().anyMatch(c -> Character.isUpperCase(c) || Character.isLowerCase(c));
  }
}
