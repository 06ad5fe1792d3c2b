package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;

/**
 * Shortens a long list of module names to suffixes that select the same modules.
 *
 * <p>Reference: PEFT {@code tuners_utils.py::_find_minimal_target_modules}; it decides what
 * adapter_config.json says.
 */
final class MinimalTargets {
  /** Shorter lists are left as they are. */
  private static final int MIN_NAMES = 20;

  private MinimalTargets() {}

  /** The names, shortened if there are many. */
  static List<String> reduce(List<String> names, Collection<String> modules) {
    if (names.size() < MIN_NAMES) {
      return names;
    }
    List<String> others =
        modules.stream()
            .filter(path -> names.stream().noneMatch(n -> path.equals(n) || path.endsWith("." + n)))
            .toList();
    List<String> shorter = find(names, others);
    return shorter.size() < names.size() ? shorter : names;
  }

  /** The shortest suffixes that hit each target and none of the others, sorted. */
  static List<String> find(Collection<String> targets, Collection<String> others) {
    if (targets.isEmpty() || targets.contains("")) {
      throw new IllegalArgumentException(
          "targetModules must be module names, none of them empty, got " + targets + ".");
    }
    if (targets.stream().anyMatch(others::contains)) {
      throw new IllegalArgumentException(
          "Modules cannot be targets and others at once: " + targets + " and " + others + ".");
    }
    Set<String> taken = new HashSet<>();
    others.forEach(other -> taken.addAll(suffixes(other)));
    // Python visits targets in the order of their lists of suffixes.
    TreeMap<List<String>, String> ordered = new TreeMap<>(MinimalTargets::compare);
    targets.forEach(target -> ordered.put(suffixes(target), target));
    Set<String> required = new LinkedHashSet<>();
    ordered.forEach(
        (candidates, target) -> {
          for (String suffix : candidates) {
            if (!required.contains(suffix)
                && !taken.contains(suffix)
                && required.stream().noneMatch(found -> target.endsWith("." + found))) {
              required.add(suffix);
              break;
            }
          }
        });
    return (required.isEmpty() ? new HashSet<>(targets) : required).stream().sorted().toList();
  }

  /** All suffixes at dots, shortest first. */
  private static List<String> suffixes(String path) {
    List<String> result = new ArrayList<>();
    for (int dot = path.lastIndexOf('.'); dot >= 0; dot = path.lastIndexOf('.', dot - 1)) {
      result.add(path.substring(dot + 1));
    }
    result.add(path);
    return result;
  }

  private static int compare(List<String> a, List<String> b) {
    for (int i = 0; i < Math.min(a.size(), b.size()); i++) {
      int order = a.get(i).compareTo(b.get(i));
      if (order != 0) {
        return order;
      }
    }
    return Integer.compare(a.size(), b.size());
  }
}
