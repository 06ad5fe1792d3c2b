package org.peftjava.peft.tuner;

import java.util.List;

/**
 * Weights that all layers of one adapter share, such as VeRA's random matrices. They stand beside
 * the base model: {@code base_model.<group>.<adapter>}.
 *
 * @param weights the weights; their leaves are empty
 */
public record SharedWeights(List<LayerAdapter.Weight> weights) {
  /** None: each layer has its own. */
  public static final SharedWeights NONE = new SharedWeights(List.of());

  /** Keeps an unchangeable list. */
  public SharedWeights {
    weights = List.copyOf(weights);
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
