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
            key -> PythonRegex.compile("(.*\\.)?(" + key + ")$", field).matcher(path).lookingAt())
        .findFirst();
  }

  /**
   * The first key that fits as FourierFT and C3A match: what follows a dot must match to its end,
   * so that a key with {@code ^} fits nothing; else the path itself, if it is a key.
   */
  public static Optional<String> keyBehindDot(Collection<String> keys, String path, String field) {
    return keys.stream()
        .filter(key -> PythonRegex.compile(".*\\." + key + "$", field).matcher(path).lookingAt())
        .findFirst()
        .or(() -> keys.stream().filter(path::equals).findFirst());
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
