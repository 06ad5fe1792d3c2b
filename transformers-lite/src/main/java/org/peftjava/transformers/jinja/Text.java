package org.peftjava.transformers.jinja;

import java.util.Locale;
import java.util.function.IntPredicate;

/** What Python's {@code str} does where Java's {@code String} differs. */
final class Text {
  private Text() {}

  static boolean isSpace(int c) {
    return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == 0x85;
  }

  static boolean isBlank(String text) {
    return !text.isEmpty() && text.chars().allMatch(Text::isSpace);
  }

  static String stripEnd(String text) {
    return strip(text, false, true, Text::isSpace);
  }

  static String strip(String text, boolean atStart, boolean atEnd, IntPredicate isTaken) {
    int start = 0;
    int end = text.length();
    while (atStart && start < end && isTaken.test(text.codePointAt(start))) {
      start += Character.charCount(text.codePointAt(start));
    }
    while (atEnd && end > start && isTaken.test(text.codePointBefore(end))) {
      end -= Character.charCount(text.codePointBefore(end));
    }
    return text.substring(start, end);
  }

  /** Every run of letters begins with a capital. */
  static String title(String text) {
    StringBuilder out = new StringBuilder(text.length());
    boolean inWord = false;
    for (int c : text.codePoints().toArray()) {
      out.appendCodePoint(inWord ? Character.toLowerCase(c) : Character.toTitleCase(c));
      inWord = Character.isLetter(c);
    }
    return out.toString();
  }

  static String capitalize(String text) {
    if (text.isEmpty()) {
      return text;
    }
    int first = Character.charCount(text.codePointAt(0));
    return text.substring(0, first).toUpperCase(Locale.ROOT)
        + text.substring(first).toLowerCase(Locale.ROOT);
  }

  /** The value of a string literal: Python's escapes, unknown ones as they are. */
  static String unescape(String literal) {
    if (literal.indexOf('\\') < 0) {
      return literal;
    }
    StringBuilder out = new StringBuilder(literal.length());
    int at = 0;
    while (at < literal.length()) {
      char c = literal.charAt(at);
      at++;
      if (c != '\\' || at == literal.length()) {
        out.append(c);
        continue;
      }
      char escaped = literal.charAt(at);
      at++;
      int digits = escaped == 'x' ? 2 : escaped == 'u' ? 4 : escaped == 'U' ? 8 : 0;
      int known = "\n\\'\"abfnrtv0".indexOf(escaped);
      if (digits > 0) {
        out.appendCodePoint(hex(literal, at, digits));
        at += digits;
      } else if (known > 0) { // 0: a backslash at the end of a line joins it with the next
        out.append("\n\\'\"\u0007\b\f\n\r\t\u000b\0".charAt(known));
      } else if (known < 0) {
        out.append('\\').append(escaped);
      }
    }
    return out.toString();
  }

  private static int hex(String literal, int from, int digits) {
    try {
      int value = Integer.parseInt(literal.substring(from, from + digits), 16);
      if (Character.isValidCodePoint(value)) {
        return value;
      }
    } catch (NumberFormatException | IndexOutOfBoundsException e) {
      // falls through: the same error
    }
    throw new JinjaException("a string has a broken escape: \\" + literal.charAt(from - 1));
  }

  /** What {@code repr} says about a text. */
  static String repr(String text) {
    char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
    StringBuilder out = new StringBuilder(text.length() + 2).append(quote);
    for (int c : text.codePoints().toArray()) {
      switch (c) {
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        default -> {
          if (c == quote) {
            out.append('\\').append(quote);
          } else if (isPrintable(c)) {
            out.appendCodePoint(c);
          } else {
            out.append(
                c < 0x100
                    ? String.format("\\x%02x", c)
                    : c < 0x10000 ? String.format("\\u%04x", c) : String.format("\\U%08x", c));
          }
        }
      }
    }
    return out.append(quote).toString();
  }

  private static boolean isPrintable(int c) {
    if (c == ' ') {
      return true;
    }
    return switch (Character.getType(c)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.PRIVATE_USE,
          Character.UNASSIGNED,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR,
          Character.SPACE_SEPARATOR ->
          false;
      default -> true;
    };
  }
}
