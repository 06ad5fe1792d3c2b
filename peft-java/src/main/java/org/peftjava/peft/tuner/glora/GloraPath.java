package org.peftjava.peft.tuner.glora;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.LayerAdapter.Weight;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;

/**
 * One of GLoRA's matrices or vectors: a product of rank r, numbers that are broadcast, or nothing.
 *
 * <p>Reference: PEFT {@code tuners/glora/layer.py::GloraPath}. A missing one is written to files as
 * the zeros that Python expects there.
 */
final class GloraPath {
  private static final double DEVIATION = 0.02;

  private final String group;
  private final Shape shape;
  private final List<Parameter> factors; // none, one or two

  /**
   * Of its parameters.
   *
   * @param shape of the whole
   */
  private GloraPath(String group, Shape shape, List<Parameter> factors) {
    this.group = group;
    this.shape = shape;
    this.factors = factors;
  }

  /**
   * A path of a kind that the config names.
   *
   * @param kind "lora", "vector", "constant" or "none"
   * @param shape of the whole; a vector has its first size
   */
  static GloraPath of(LayerSite site, GloraConfig config, String group, String kind, Shape shape) {
    boolean quiet = config.initWeights();
    long rows = shape.get(0);
    List<Parameter> factors =
        switch (kind) {
          case "lora" -> {
            long r = config.r();
            long columns = shape.get(1);
            yield List.of(
                site.parameter(quiet ? Init.zeros() : Init.kaimingUniform(r), rows, r),
                site.parameter(Init.kaimingUniform(columns), r, columns));
          }
          case "vector" -> {
            boolean isColumn = shape.toArray().length == 2;
            Init init = quiet ? Init.zeros() : Init.kaimingUniform(isColumn ? 1 : rows);
            yield List.of(isColumn ? site.parameter(init, rows, 1) : site.parameter(init, rows));
          }
          case "constant" ->
              List.of(site.parameter(quiet ? Init.zeros() : Init.normal(DEVIATION), 1));
          default -> List.of();
        };
    return new GloraPath(group, shape, factors);
  }

  List<Weight> weights() {
    List<Weight> result = new ArrayList<>();
    for (int i = 0; i < factors.size(); i++) {
      String name = factors.size() == 1 ? "X" : i == 0 ? "Xd" : "Xu";
      result.add(new Weight(group, name, factors.get(i)));
    }
    return result;
  }

  Map<String, AdapterTensor> saved(DType type) {
    Map<String, AdapterTensor> result = new LinkedHashMap<>();
    weights()
        .forEach(weight -> result.put(weight.fileName(), AdapterTensor.of(weight.parameter())));
    if (factors.isEmpty()) {
      result.put(
          group + ".zeros",
          new AdapterTensor(
              shape, () -> Creation.zeros(type, shape.toArray()), GloraPath::checkZeros));
    }
    return result;
  }

  private static void checkZeros(Tensor values) {
    if (values.abs().max().toDouble() != 0) {
      throw new IllegalArgumentException(
          "A GLoRA adapter's file has numbers other than 0 where its config says \"none\", or where"
              + " the layer has no bias.");
    }
  }

  /** The values in a type, of a shape that fits the whole; empty if there are none. */
  Optional<Tensor> values() {
    return switch (factors.size()) {
      case 0 -> Optional.empty();
      case 1 -> Optional.of(factors.get(0).tensor());
      default -> Optional.of(factors.get(0).tensor().matmul(factors.get(1).tensor()));
    };
  }
}
