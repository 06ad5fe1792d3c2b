package org.peftjava.peft.tuner;

import java.util.List;
import java.util.Map;

/**
 * Weights that all layers of one adapter share, such as VeRA's random matrices. They stand beside
 * the base model: {@code base_model.<group>.<adapter>}.
 *
 * @param weights the weights; their leaves are empty
 * @param numbers a whole number of each layer, by path, where it depends on all layers
 */
public record SharedWeights(List<LayerAdapter.Weight> weights, Map<String, Integer> numbers) {
  /** None: each layer has its own. */
  public static final SharedWeights NONE = new SharedWeights(List.of());

  /** Keeps unchangeable copies. */
  public SharedWeights {
    weights = List.copyOf(weights);
    numbers = Map.copyOf(numbers);
  }

  /** Weights alone. */
  public SharedWeights(List<LayerAdapter.Weight> weights) {
    this(weights, Map.of());
  }

  /** The weight of this group. */
  public LayerAdapter.Weight get(String group) {
    return weights.stream()
        .filter(weight -> weight.group().equals(group))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("No shared weight \"" + group + "\"."));
  }

  void close() {
    weights.forEach(weight -> weight.parameter().close());
  }
}
