package org.peftjava.peft.tuner;

import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.peftjava.torch.nn.PathPattern;

/**
 * A regular expression in the syntax of Python's {@code re}.
 *
 * <p>The two dialects agree except for: named groups {@code (?P<n>...)}, {@code (?P=n)}, whose
 * names may hold underscores; {@code \Z}; and {@code [} and {@code &&} inside a character class,
 * which are plain characters in Python. One whose search takes very many steps is an error ({@link
 * PathPattern}).
 */
public final class PythonRegex {
  private final PathPattern pattern;
  private final Map<String, String> groups; // their names in Java by those in Python

  private PythonRegex(PathPattern pattern, Map<String, String> groups) {
    this.pattern = pattern;
    this.groups = groups;
  }

  /**
   * Compiles a pattern.
   *
   * @param field what the pattern was given for, for the message
   */
  public static PythonRegex compile(String pattern, String field) {
    try {
      Translation translation = new Translation(pattern);
      return new PythonRegex(
          PathPattern.compile(translation.java(), Pattern.UNICODE_CHARACTER_CLASS),
          translation.groups);
    } catch (PatternSyntaxException e) {
      throw new IllegalArgumentException(
          field
              + " \""
              + (pattern.length() <= 200 ? pattern : pattern.substring(0, 200) + "...")
              + "\" is not a valid regular expression: "
              + e.getDescription()
              + ". A list of module names is not read as patterns.",
          e);
    }
  }

  /** Whether the pattern matches the whole text: {@code re.fullmatch}. */
  boolean fullMatch(String text) {
    return pattern.matches(text);
  }

  /** Whether the pattern matches a part of the text: {@code re.search}. */
  public boolean isFoundIn(String text) {
    return pattern.isFoundIn(text);
  }

  /** Whether the pattern matches the start of the text: {@code re.match}. */
  public boolean startsIn(String text) {
    return pattern.startsIn(text);
  }

  /** A matcher for Java's own use of the pattern. */
  public Matcher matcher(String text) {
    return pattern.matcher(text);
  }

  /** Whether there is a group of this name or number. */
  public boolean hasGroup(String group) {
    return groups.containsKey(group)
        || (Character.isDigit(group.charAt(0)) && Integer.parseInt(group) <= pattern.groupCount());
  }

  /** What a group found, empty if it took no part. */
  public String group(Matcher found, String group) {
    String name = groups.get(group);
    String text = name == null ? found.group(Integer.parseInt(group)) : found.group(name);
    return text == null ? "" : text;
  }

  private static final class Translation {
    private final String python;
    private final StringBuilder java = new StringBuilder();
    private final Map<String, String> groups = new HashMap<>();
    private int at;

    Translation(String python) {
      this.python = python;
    }

    String java() {
      boolean inClass = false;
      while (at < python.length()) {
        char c = python.charAt(at);
        if (c == '\\' && at + 1 < python.length()) {
          String escape = python.substring(at, at + 2);
          java.append(escape.equals("\\Z") ? "\\z" : escape);
          at += 2;
        } else if (inClass) {
          inClass = c != ']';
          java.append(c == '[' || c == '&' ? "\\" + c : c);
          at++;
        } else if (c == '[') {
          inClass = true;
          openClass();
        } else if (python.startsWith("(?P<", at)) {
          java.append("(?<").append(groupName('>')).append('>');
        } else if (python.startsWith("(?P=", at)) {
          java.append("\\k<").append(groupName(')')).append('>');
        } else {
          java.append(c);
          at++;
        }
      }
      return java.toString();
    }

    /** A "]" that comes first in a class is a plain character. */
    private void openClass() {
      java.append('[');
      at++;
      if (at < python.length() && python.charAt(at) == '^') {
        java.append('^');
        at++;
      }
      if (at < python.length() && python.charAt(at) == ']') {
        java.append("\\]");
        at++;
      }
    }

    private String groupName(char end) {
      int close = python.indexOf(end, at);
      if (close < 0) {
        throw new PatternSyntaxException("missing " + end + ", unterminated name", python, at);
      }
      String name = python.substring(at + 4, close);
      at = close + 1;
      return groups.computeIfAbsent(name, key -> "g" + groups.size());
    }
  }
}
