package org.peftjava.peft.tuner.lora;

import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Collectors;

/** Configs that give layers certain ranks and scalings. */
final class LoraRanks {
  private static final double EXACT = 1e-9;

  private LoraRanks() {}

  /**
   * The config with ranks and alphas as these layers have them: the most frequent ones, and
   * patterns for the others.
   *
   * @param ranks by the layers' paths
   * @param scalings of the same layers
   */
  static LoraConfig describe(
      LoraConfig config, Map<String, Integer> ranks, Map<String, Double> scalings) {
    Map<String, Number> alphas = new LinkedHashMap<>();
    ranks.forEach(
        (path, rank) ->
            alphas.put(
                path,
                number(
                    Objects.requireNonNull(scalings.get(path))
                        * (config.useRslora() ? Math.sqrt(rank) : rank))));
    boolean asConfigured =
        ranks.entrySet().stream()
            .allMatch(
                layer ->
                    layer.getValue() == LoraMethod.rank(config, layer.getKey())
                        && same(
                            Objects.requireNonNull(scalings.get(layer.getKey())),
                            LoraMethod.scaling(config, layer.getKey())));
    if (asConfigured) {
      return config;
    }
    int rank = mostFrequent(ranks.values());
    Number alpha = mostFrequent(alphas.values());
    return config
        .with("r", rank)
        .with("rank_pattern", others(ranks, rank))
        .with("lora_alpha", alpha)
        .with("alpha_pattern", others(alphas, alpha));
  }

  private static boolean same(Double a, double b) {
    return a != null && Math.abs(a - b) <= EXACT * Math.abs(b);
  }

  /** A whole number as such: fields of files are mostly whole. */
  private static Number number(double value) {
    double whole = Math.rint(value);
    if (Math.abs(whole - value) <= EXACT * Math.abs(value)) {
      return (int) whole;
    }
    return value;
  }

  private static <T> T mostFrequent(Collection<T> values) {
    return values.stream()
        .collect(
            Collectors.groupingBy(Function.identity(), LinkedHashMap::new, Collectors.counting()))
        .entrySet()
        .stream()
        .max(Comparator.comparingLong(Map.Entry::getValue))
        .orElseThrow()
        .getKey();
  }

  private static <T> Map<String, T> others(Map<String, T> values, T usual) {
    Map<String, T> result = new LinkedHashMap<>(values);
    result.values().removeIf(usual::equals);
    return result;
  }
}
