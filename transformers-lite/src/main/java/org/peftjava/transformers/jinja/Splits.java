package org.peftjava.transformers.jinja;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Python's ways to cut a text into pieces. */
final class Splits {
  private static final String LINE_ENDS = "\n\r\u000b\f\u001c\u001d\u001e\u0085\u2028\u2029";

  private Splits() {}

  static List<Object> split(String text, Arguments a, boolean fromEnd) {
    int most = a.integer(1, "maxsplit", -1);
    Object separator = a.get(0, "sep", None.NONE);
    a.budget().make(text.length());
    int limit = most < 0 ? Integer.MAX_VALUE : most;
    if (separator == None.NONE) {
      return fromEnd ? atSpacesFromEnd(text, limit) : atSpaces(text, limit);
    }
    String mark = Values.text(separator);
    if (mark.isEmpty()) {
      throw new JinjaException("the separator of split is empty");
    }
    return fromEnd ? fromEnd(text, mark, limit) : fromStart(text, mark, limit);
  }

  private static List<Object> fromStart(String text, String mark, int limit) {
    List<Object> parts = new ArrayList<>();
    int from = 0;
    for (int at = text.indexOf(mark); at >= 0 && parts.size() < limit; ) {
      parts.add(text.substring(from, at));
      from = at + mark.length();
      at = text.indexOf(mark, from);
    }
    parts.add(text.substring(from));
    return parts;
  }

  private static List<Object> fromEnd(String text, String mark, int limit) {
    List<Object> parts = new ArrayList<>();
    int to = text.length();
    int at = text.lastIndexOf(mark);
    while (at >= 0 && parts.size() < limit) {
      parts.add(text.substring(at + mark.length(), to));
      to = at;
      at = at < mark.length() ? -1 : text.lastIndexOf(mark, at - mark.length());
    }
    parts.add(text.substring(0, to));
    Collections.reverse(parts);
    return parts;
  }

  private static List<Object> atSpaces(String text, int limit) {
    List<Object> parts = new ArrayList<>();
    int at = skip(text, 0, true);
    while (at < text.length()) {
      int end = skip(text, at, false);
      if (parts.size() == limit) {
        parts.add(Text.stripEnd(text.substring(at)));
        break;
      }
      parts.add(text.substring(at, end));
      at = skip(text, end, true);
    }
    return parts;
  }

  /** The end of the white space, or of the other characters, that begin at a place. */
  private static int skip(String text, int from, boolean space) {
    int at = from;
    while (at < text.length() && Text.isSpace(text.charAt(at)) == space) {
      at++;
    }
    return at;
  }

  private static List<Object> atSpacesFromEnd(String text, int limit) {
    List<Object> parts = new ArrayList<>();
    int end = skipBack(text, text.length(), true);
    while (end > 0) {
      int start = skipBack(text, end, false);
      if (parts.size() == limit) {
        parts.add(Text.strip(text.substring(0, end), true, false, Text::isSpace));
        break;
      }
      parts.add(text.substring(start, end));
      end = skipBack(text, start, true);
    }
    Collections.reverse(parts);
    return parts;
  }

  private static int skipBack(String text, int from, boolean space) {
    int at = from;
    while (at > 0 && Text.isSpace(text.charAt(at - 1)) == space) {
      at--;
    }
    return at;
  }

  static List<Object> lines(String text, boolean keepEnds) {
    List<Object> lines = new ArrayList<>();
    int from = 0;
    while (from < text.length()) {
      int end = from;
      while (end < text.length() && LINE_ENDS.indexOf(text.charAt(end)) < 0) {
        end++;
      }
      int next = Math.min(text.length(), end + (text.startsWith("\r\n", end) ? 2 : 1));
      lines.add(text.substring(from, keepEnds ? next : end));
      from = next;
    }
    return lines;
  }

  static Tuple partition(String text, String mark, boolean fromEnd) {
    int at = fromEnd ? text.lastIndexOf(mark) : text.indexOf(mark);
    if (at < 0) {
      return new Tuple(fromEnd ? List.of("", "", text) : List.of(text, "", ""));
    }
    return new Tuple(List.of(text.substring(0, at), mark, text.substring(at + mark.length())));
  }
}
