package org.peftjava.transformers.hub;

import java.util.List;
import java.util.regex.Pattern;

/**
 * File names that patterns select, as Python's {@code fnmatch} reads them: {@code *} is any text,
 * slashes too, {@code ?} one character, {@code [abc]} and {@code [!abc]} one of or none of these. A
 * pattern that ends in a slash means all files below that folder.
 */
final class FilePatterns {
  private FilePatterns() {}

  /** Whether one of the patterns fits the whole name. */
  static boolean anyMatches(List<String> patterns, String name) {
    return patterns.stream().anyMatch(pattern -> regex(pattern).matcher(name).matches());
  }

  private static Pattern regex(String pattern) {
    String whole = pattern.endsWith("/") ? pattern + "*" : pattern;
    StringBuilder regex = new StringBuilder();
    for (int i = 0; i < whole.length(); i++) {
      char c = whole.charAt(i);
      int end = c == '[' ? whole.indexOf(']', i + 2) : -1;
      if (end > 0) {
        String inside = whole.substring(i + 1, end);
        boolean negated = inside.startsWith("!");
        String members =
            (negated ? inside.substring(1) : inside).replaceAll("[\\[\\]\\\\^&]", "\\\\$0");
        regex.append(negated ? "[^" : "[").append(members).append(']');
        i = end;
      } else {
        regex.append(c == '*' ? ".*" : c == '?' ? "." : Pattern.quote(String.valueOf(c)));
      }
    }
    return Pattern.compile(regex.toString(), Pattern.DOTALL);
  }
}
