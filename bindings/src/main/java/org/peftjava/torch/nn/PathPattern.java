package org.peftjava.torch.nn;

import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * A regular expression for paths of modules, from anybody's config: one whose search takes very
 * many steps is an error, where Java would search for years.
 */
public final class PathPattern {
  /** Characters that a search may look at; usual expressions look at a few thousand. */
  private static final int MOST_STEPS = 200_000;

  /** What the counted repetitions of an expression may multiply to. */
  private static final double MOST_REPEATS = 1_000_000;

  private static final Pattern COUNTED = Pattern.compile("\\{(\\d+)(?:,(\\d*))?}");

  private final Pattern pattern;

  private PathPattern(Pattern pattern) {
    this.pattern = pattern;
  }

  /**
   * Compiles an expression.
   *
   * @param flags of {@link Pattern}
   * @throws PatternSyntaxException if it is none, or one that repeats too often or is nested too
   *     deep
   */
  public static PathPattern compile(String regex, int flags) {
    checkRepeats(regex);
    return new PathPattern(Pattern.compile(regex, flags));
  }

  /** Such repetitions are counted through even where there is no more text to look at. */
  private static void checkRepeats(String regex) {
    double repeats = 1;
    Matcher counted = COUNTED.matcher(regex);
    while (counted.find()) {
      String most = counted.group(2);
      repeats *=
          Math.max(1, Double.parseDouble(most == null || most.isEmpty() ? counted.group(1) : most));
      if (repeats > MOST_REPEATS) {
        throw new PatternSyntaxException(
            "its counted repetitions multiply to more than " + (long) MOST_REPEATS,
            shortened(regex),
            counted.start());
      }
    }
  }

  /** Whether it matches all of a path. */
  public boolean matches(String path) {
    return search(path, Matcher::matches);
  }

  /** Whether it matches a part of a path. */
  public boolean isFoundIn(String path) {
    return search(path, Matcher::find);
  }

  /** Whether it matches the start of a path. */
  public boolean startsIn(String path) {
    return search(path, Matcher::lookingAt);
  }

  private boolean search(String path, Predicate<Matcher> how) {
    try {
      return how.test(matcher(path));
    } catch (StackOverflowError e) {
      throw tooLong(path);
    }
  }

  /**
   * A matcher for a path.
   *
   * @throws IllegalArgumentException from its methods, when a search takes too many steps
   */
  public Matcher matcher(String path) {
    return pattern.matcher(new Watched(path, new int[1]));
  }

  /** Groups of the expression. */
  public int groupCount() {
    return pattern.matcher("").groupCount();
  }

  private IllegalArgumentException tooLong(CharSequence path) {
    return new IllegalArgumentException(
        "The regular expression \""
            + shortened(pattern.pattern())
            + "\" takes more than "
            + MOST_STEPS
            + " steps to compare with \""
            + shortened(path.toString())
            + "\". Expected one without repetitions of repetitions.");
  }

  private static String shortened(String text) {
    return text.length() <= 200 ? text : text.substring(0, 200) + "...";
  }

  /** A text that counts how often it is looked at. */
  private final class Watched implements CharSequence {
    private final CharSequence text;
    private final int[] steps;

    Watched(CharSequence text, int[] steps) {
      this.text = text;
      this.steps = steps;
    }

    @Override
    public int length() {
      return text.length();
    }

    @Override
    public char charAt(int index) {
      steps[0]++;
      if (steps[0] > MOST_STEPS) {
        throw tooLong(text);
      }
      return text.charAt(index);
    }

    @Override
    public CharSequence subSequence(int start, int end) {
      return new Watched(text.subSequence(start, end), steps);
    }

    @Override
    public String toString() {
      return text.toString();
    }
  }
}
