package org.peftjava.peft.tuner;

import java.util.Collection;
import java.util.List;
import java.util.Optional;

/**
 * Finds the pattern of rank_pattern or alpha_pattern that fits a module.
 *
 * <p>Reference: PEFT {@code other.py::get_pattern_key}: the first key, in order, that matches the
 * end of the path at a dot; a key that starts with {@code ^} must match the whole path.
 */
public final class PatternValues {
  private PatternValues() {}

  /** The first key that fits the path. */
  public static Optional<String> keyFor(Collection<String> keys, String path, String field) {
    return keys.stream()
        .filter(
            key ->
                isPlain(key)
                    ? endsWith(path, key)
                    : PythonRegex.compile("(.*\\.)?(" + key + ")$", field).startsIn(path))
        .findFirst();
  }

  /**
   * The first key that fits as FourierFT and C3A match: what follows a dot must match to its end,
   * so that a key with {@code ^} fits nothing; else the path itself, if it is a key.
   */
  public static Optional<String> keyBehindDot(Collection<String> keys, String path, String field) {
    return keys.stream()
        .filter(key -> PythonRegex.compile(".*\\." + key + "$", field).startsIn(path))
        .findFirst()
        .or(() -> keys.stream().filter(path::equals).findFirst());
  }

  /** Whether a key has no special characters but the dot, as those have that a training wrote. */
  private static boolean isPlain(String key) {
    return !key.isEmpty() && key.chars().allMatch(c -> c == '.' || c == '_' || isLetterOrDigit(c));
  }

  private static boolean isLetterOrDigit(int c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  }

  /** Whether the end of a path, after a dot or all of it, is a key, whose dots may be anything. */
  private static boolean endsWith(String path, String key) {
    int start = path.length() - key.length();
    if (start < 0 || (start > 0 && path.charAt(start - 1) != '.')) {
      return false;
    }
    for (int i = 0; i < key.length(); i++) {
      if (key.charAt(i) != '.' && key.charAt(i) != path.charAt(start + i)) {
        return false;
      }
    }
    return true;
  }

  /** The keys that fit none of the paths, sorted. */
  public static List<String> unused(
      Collection<String> keys, Collection<String> paths, String field) {
    return keys.stream()
        .filter(key -> paths.stream().noneMatch(p -> keyFor(List.of(key), p, field).isPresent()))
        .sorted()
        .toList();
  }
}
