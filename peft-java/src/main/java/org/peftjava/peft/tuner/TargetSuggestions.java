package org.peftjava.peft.tuner;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.peftjava.torch.nn.LinearLayer;

/** Says why no module was selected, and which names would select some. */
final class TargetSuggestions {
  private static final int MAX_NAMES = 20;

  private TargetSuggestions() {}

  static IllegalArgumentException noDefault(BaseModel model) {
    return new IllegalArgumentException(
        "There are no default targetModules for "
            + model.modelType().map(type -> "model type \"" + type + "\"").orElse(model.className())
            + ". Give targetModules. "
            + suffixes(model));
  }

  static NoMatchingModulesException nothingMatched(
      BaseModel model, TargetSpec spec, int excluded, int unmatched) {
    return new NoMatchingModulesException(
        reason(model, spec, excluded, unmatched) + settings(spec) + " " + suffixes(model));
  }

  private static String reason(BaseModel model, TargetSpec spec, int excluded, int unmatched) {
    if (excluded > 0 && unmatched == 0) {
      return "All modules of "
          + model.className()
          + " are excluded. Check excludeModules and modulesToSave.";
    }
    if (spec.targets() instanceof TargetModules.Names names && names.names().isEmpty()) {
      return "targetModules is empty, so no module of " + model.className() + " is adapted.";
    }
    String start =
        "targetModules " + spec.targets() + " match no module of " + model.className() + ".";
    if (excluded > 0) {
      return start
          + " "
          + excluded
          + " modules are excluded: check excludeModules and modulesToSave, which win over"
          + " targets.";
    }
    return start + closest(model, spec.targets());
  }

  private static String settings(TargetSpec spec) {
    String result = "";
    if (!spec.layersToTransform().isEmpty()) {
      result += " layersToTransform is " + spec.layersToTransform() + ".";
    }
    if (!spec.layersPattern().isEmpty()) {
      result += " layersPattern is " + spec.layersPattern() + ".";
    }
    return result;
  }

  private static String closest(BaseModel model, TargetModules targets) {
    List<String> wanted =
        targets instanceof TargetModules.Names names
            ? names.names()
            : List.of(targets.toString().replaceAll("[^A-Za-z0-9_]", ""));
    Map<String, Long> known = countBySuffix(model);
    String found =
        wanted.stream()
            .map(TargetSuggestions::lastElement)
            .flatMap(name -> nearest(name, known.keySet()).stream())
            .distinct()
            .map(key -> key + " (" + known.get(key) + " layers)")
            .collect(Collectors.joining(", "));
    return found.isEmpty() ? "" : " Closest: " + found + ".";
  }

  private static String suffixes(BaseModel model) {
    Map<String, Long> known = countBySuffix(model);
    String names = known.keySet().stream().limit(MAX_NAMES).collect(Collectors.joining(", "));
    return known.isEmpty()
        ? "It has no linear layers."
        : "Linear suffixes here: " + names + (known.size() > MAX_NAMES ? ", ..." : "") + ".";
  }

  private static Map<String, Long> countBySuffix(BaseModel model) {
    return model.modules().entrySet().stream()
        .filter(entry -> entry.getValue() instanceof LinearLayer)
        .collect(
            Collectors.groupingBy(
                entry -> lastElement(entry.getKey()), TreeMap::new, Collectors.counting()));
  }

  private static String lastElement(String path) {
    return path.substring(path.lastIndexOf('.') + 1);
  }

  /** Names that contain the wanted one, else those with the fewest typing errors between. */
  private static List<String> nearest(String wanted, Set<String> names) {
    if (wanted.isEmpty()) {
      return List.of();
    }
    List<String> around =
        names.stream()
            .filter(name -> name.contains(wanted) || (name.length() > 2 && wanted.contains(name)))
            .toList();
    if (!around.isEmpty()) {
      return around;
    }
    int fewest = names.stream().mapToInt(name -> distance(wanted, name)).min().orElse(0);
    return fewest > Math.max(1, wanted.length() / 3)
        ? List.of()
        : names.stream().filter(name -> distance(wanted, name) == fewest).toList();
  }

  /** Edit distance with swaps of neighbours. */
  private static int distance(String a, String b) {
    int[][] cost = new int[a.length() + 1][b.length() + 1];
    for (int i = 0; i <= a.length(); i++) {
      for (int j = 0; j <= b.length(); j++) {
        if (i == 0 || j == 0) {
          cost[i][j] = i + j;
          continue;
        }
        int change = a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1;
        int[] ways = {cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + change};
        cost[i][j] = Arrays.stream(ways).min().orElseThrow();
        if (i > 1
            && j > 1
            && a.charAt(i - 1) == b.charAt(j - 2)
            && a.charAt(i - 2) == b.charAt(j - 1)) {
          cost[i][j] = Math.min(cost[i][j], cost[i - 2][j - 2] + 1);
        }
      }
    }
    return cost[a.length()][b.length()];
  }
}
