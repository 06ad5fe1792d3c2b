package org.peftjava.transformers.tokenizer;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;

/**
 * Refuses regular expressions whose search may try very many ways: the native library ends the
 * process when it gives up.
 *
 * <p>Refused are repetitions without bound inside of repetitions, more than two of them one behind
 * the other, back references, and calls of groups. The expressions of all tokenizers in use have
 * none of them. Two in a row take as many tries as a text has characters; three take their square,
 * which is more than the library bears.
 */
final class RegexCheck {
  private static final int MAX_LENGTH = 20_000;
  private static final int MAX_DEPTH = 50;
  private static final int MAX_REPEATS = 1000;
  private static final int MAX_IN_ROW = 2;

  /** Repetitions up to this many times take few tries. */
  private static final int FEW = 16;

  private final String regex;
  private final Deque<Group> groups = new ArrayDeque<>();
  private int at;

  /** An open group: whether something repeats in it, and how many repetitions are in a row. */
  private static final class Group {
    private boolean repeats;
    private int inRow;
    private int mostInRow;

    /** Another alternative begins, or none more. */
    void alternativeEnds() {
      mostInRow = Math.max(mostInRow, inRow);
      inRow = 0;
    }
  }

  private RegexCheck(String regex) {
    this.regex = regex;
  }

  /** What is wrong, if anything. */
  static Optional<String> problem(String regex) {
    if (regex.length() > MAX_LENGTH) {
      return Optional.of("it has more than " + MAX_LENGTH + " characters");
    }
    return new RegexCheck(regex).scan();
  }

  private Optional<String> scan() {
    groups.push(new Group());
    boolean atomRepeats = false; // whether the last element has a repetition inside
    while (at < regex.length()) {
      char c = regex.charAt(at);
      at++;
      if (c == '\\') {
        char escaped = at < regex.length() ? regex.charAt(at) : ' ';
        if ((escaped >= '1' && escaped <= '9') || escaped == 'k' || escaped == 'g') {
          return Optional.of("back references and calls of groups are not supported");
        }
        atomRepeats = false;
        skipEscape();
      } else if (c == '[') {
        skipClass();
        atomRepeats = false;
      } else if (c == '(') {
        groups.push(new Group());
        skipGroupKind();
        if (groups.size() > MAX_DEPTH) {
          return Optional.of("its groups are nested more than " + MAX_DEPTH + " deep");
        }
        atomRepeats = false;
      } else if (c == ')') {
        Group closed = groups.pop();
        if (groups.isEmpty()) {
          return Optional.of("a parenthesis is closed that was not opened");
        }
        closed.alternativeEnds();
        atomRepeats = closed.repeats;
        Group around = groups.peek();
        around.repeats |= closed.repeats;
        around.inRow += closed.mostInRow;
      } else if (c == '|') {
        groups.peek().alternativeEnds();
        atomRepeats = false;
      } else if (c == '*' || c == '+' || c == '{') {
        long most = c == '{' ? bound() : Long.MAX_VALUE;
        if (most > MAX_REPEATS && most < Long.MAX_VALUE) {
          return Optional.of("it repeats something " + most + " times");
        }
        if (most > 1) {
          if (atomRepeats) {
            return Optional.of("it repeats something that repeats itself");
          }
          groups.peek().repeats = true;
          atomRepeats = true;
          if (most > FEW) {
            groups.peek().inRow++;
          }
        }
        if (at < regex.length() && "?+".indexOf(regex.charAt(at)) >= 0 && c != '{') {
          at++; // reluctant or possessive
        }
      } else if (c != '?') {
        atomRepeats = false;
      }
      if (groups.peek().inRow > MAX_IN_ROW) {
        return Optional.of("it has more than " + MAX_IN_ROW + " repetitions in a row");
      }
    }
    return Optional.empty();
  }

  /** Behind "{": the largest count, without bound for "{2,}", 1 where it is no repetition. */
  private long bound() {
    int end = regex.indexOf('}', at);
    if (end < 0) {
      return 1;
    }
    String body = regex.substring(at, end);
    if (!body.matches("\\d{0,9}(,\\d{0,9})?") || body.isEmpty() || body.equals(",")) {
      return 1;
    }
    at = end + 1;
    int comma = body.indexOf(',');
    String most = comma < 0 ? body : body.substring(comma + 1);
    return most.isEmpty() ? Long.MAX_VALUE : Long.parseLong(most);
  }

  private void skipEscape() {
    char kind = at < regex.length() ? regex.charAt(at) : ' ';
    at++;
    if ((kind == 'p' || kind == 'P' || kind == 'x' || kind == 'u')
        && at < regex.length()
        && regex.charAt(at) == '{') {
      int end = regex.indexOf('}', at);
      at = end < 0 ? regex.length() : end + 1;
    }
  }

  private void skipClass() {
    int depth = 1;
    if (at < regex.length() && regex.charAt(at) == '^') {
      at++;
    }
    if (at < regex.length() && regex.charAt(at) == ']') {
      at++;
    }
    while (at < regex.length() && depth > 0) {
      char c = regex.charAt(at);
      at++;
      if (c == '\\') {
        at++;
      } else if (c == '[') {
        depth++;
      } else if (c == ']') {
        depth--;
      }
    }
  }

  private void skipGroupKind() {
    if (at < regex.length() && regex.charAt(at) == '?') {
      at++;
      while (at < regex.length() && "imxs-:=!<>~".indexOf(regex.charAt(at)) >= 0) {
        at++;
        if (":=!>".indexOf(regex.charAt(at - 1)) >= 0) {
          break;
        }
      }
    }
  }
}
