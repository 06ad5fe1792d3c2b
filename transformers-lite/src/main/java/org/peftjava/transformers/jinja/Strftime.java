package org.peftjava.transformers.jinja;

import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Map;

/** Python's {@code strftime} in the C locale. */
final class Strftime {
  private static final Map<Character, String> PATTERNS =
      Map.ofEntries(
          Map.entry('Y', "uuuu"),
          Map.entry('y', "uu"),
          Map.entry('m', "MM"),
          Map.entry('d', "dd"),
          Map.entry('e', "ppd"),
          Map.entry('B', "MMMM"),
          Map.entry('b', "MMM"),
          Map.entry('h', "MMM"),
          Map.entry('A', "EEEE"),
          Map.entry('a', "EEE"),
          Map.entry('H', "HH"),
          Map.entry('I', "hh"),
          Map.entry('M', "mm"),
          Map.entry('S', "ss"),
          Map.entry('f', "SSSSSS"),
          Map.entry('p', "a"),
          Map.entry('j', "DDD"),
          Map.entry('F', "uuuu-MM-dd"),
          Map.entry('T', "HH:mm:ss"),
          Map.entry('R', "HH:mm"),
          Map.entry('D', "MM/dd/uu"),
          Map.entry('c', "EEE MMM ppd HH:mm:ss uuuu"),
          Map.entry('x', "MM/dd/uu"),
          Map.entry('X', "HH:mm:ss"));

  private Strftime() {}

  static String format(String format, LocalDateTime now) {
    StringBuilder out = new StringBuilder();
    int at = 0;
    while (at < format.length()) {
      char c = format.charAt(at);
      at++;
      if (c != '%' || at == format.length()) {
        out.append(c);
        continue;
      }
      boolean isUnpadded = format.charAt(at) == '-' && at + 1 < format.length();
      at += isUnpadded ? 1 : 0;
      char directive = format.charAt(at);
      at++;
      String pattern = PATTERNS.get(directive);
      if (pattern != null) {
        String text = DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH).format(now);
        out.append(isUnpadded && text.startsWith("0") ? text.substring(1) : text);
      } else if (directive == '%') {
        out.append('%');
      } else if (directive != 'Z' && directive != 'z') { // a time without zone has none
        out.append('%').append(directive);
      }
    }
    return out.toString();
  }
}
