package org.peftjava.peft.tuner;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.peftjava.torch.nn.Parameter;

/**
 * Weights that all layers of one adapter share, such as VeRA's random matrices. They stand beside
 * the base model: {@code base_model.<group>.<adapter>}.
 *
 * @param weights the weights; their leaves are empty, or numbers
 * @param numbers a whole number of each layer, by path, where it depends on all layers
 * @param parts parameters of each layer, by path, that are made for all layers at once: what a
 *     layer shares with some others has one object. The layers' adapters own them
 */
public record SharedWeights(
    List<LayerAdapter.Weight> weights,
    Map<String, Integer> numbers,
    Map<String, List<Parameter>> parts) {
  /** None: each layer has its own. */
  public static final SharedWeights NONE = new SharedWeights(List.of());

  /** Keeps unchangeable copies. */
  public SharedWeights {
    weights = List.copyOf(weights);
    numbers = Map.copyOf(numbers);
    parts = Map.copyOf(parts);
  }

  /** Weights and numbers. */
  public SharedWeights(List<LayerAdapter.Weight> weights, Map<String, Integer> numbers) {
    this(weights, numbers, Map.of());
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

  /** The number of the layer at a path. */
  public int number(String path) {
    return Objects.requireNonNull(numbers.get(path), path);
  }

  /** The parts of the layer at a path. */
  public List<Parameter> parts(String path) {
    return Objects.requireNonNull(parts.get(path), path);
  }

  void close() {
    weights.forEach(weight -> weight.parameter().close());
    parts.values().forEach(ofLayer -> ofLayer.forEach(Parameter::close));
  }
}
