package org.peftjava.transformers;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One name for those of several layers: {@code layers.{0, 1}.weight}.
 *
 * <p>Reference: transformers' {@code loading_report.update_key_name}.
 */
final class LayerNames {
  private static final Pattern NUMBER = Pattern.compile("(?<=\\.)\\d+(?=\\.|$)");
  private static final int MOST_SHOWN = 10;

  private LayerNames() {}

  static List<String> merge(List<String> names) {
    Map<String, String> each = new LinkedHashMap<>();
    names.forEach(name -> each.put(name, name));
    return List.copyOf(merge(each).keySet());
  }

  /** The value is that of the last name. */
  static <V> Map<String, V> merge(Map<String, V> values) {
    Map<String, List<Set<Long>>> numbers = new LinkedHashMap<>();
    Map<String, V> last = new LinkedHashMap<>();
    values.forEach(
        (name, value) -> {
          List<String> found = NUMBER.matcher(name).results().map(MatchResult::group).toList();
          String pattern = NUMBER.matcher(name).replaceAll("*");
          last.put(pattern, value);
          List<Set<Long>> sets = numbers.computeIfAbsent(pattern, key -> new ArrayList<>());
          for (int i = 0; i < found.size(); i++) {
            if (sets.size() == i) {
              sets.add(new TreeSet<>());
            }
            sets.get(i).add(number(found.get(i)));
          }
        });
    Map<String, V> merged = new LinkedHashMap<>();
    last.forEach(
        (pattern, value) ->
            merged.put(named(pattern, numbers.getOrDefault(pattern, List.of())), value));
    return merged;
  }

  private static long number(String digits) {
    return Long.parseLong(digits.substring(Math.max(0, digits.length() - 18)));
  }

  private static String named(String pattern, List<Set<Long>> numbers) {
    int[] next = {0};
    return Pattern.compile("\\*")
        .matcher(pattern)
        .replaceAll(
            star -> {
              int i = next[0]++;
              return Matcher.quoteReplacement(i < numbers.size() ? shown(numbers.get(i)) : "*");
            });
  }

  private static String shown(Set<Long> numbers) {
    List<String> texts = numbers.stream().map(String::valueOf).toList();
    if (texts.size() == 1) {
      return texts.get(0);
    }
    return texts.size() > MOST_SHOWN
        ? "{" + texts.get(0) + "..." + texts.get(texts.size() - 1) + "}"
        : "{" + String.join(", ", texts) + "}";
  }
}
