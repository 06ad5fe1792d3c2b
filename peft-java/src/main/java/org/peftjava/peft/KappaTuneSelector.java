package org.peftjava.peft;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.peftjava.quant.QuantizedLinear;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * How well conditioned the weights of a model are: the largest singular value of each over the
 * smallest. Takes a singular value decomposition of each weight.
 *
 * <p>Reference: PEFT {@code helpers.py::KappaTuneSelector}; values in golden/kappa.json.
 */
public final class KappaTuneSelector {
  private static final List<String> EXPERTS =
      List.of(".gate_up_proj", ".down_proj", ".gate_proj", ".up_proj");
  private static final long MAX_SIZE = 16384;
  private static final double SMALLEST = 1e-8;

  private final Map<String, Double> layers = new LinkedHashMap<>();
  private final Map<String, Double> experts = new LinkedHashMap<>();

  /** Looks at the linear layers of a model without adapters, and at its 3D weights of experts. */
  public KappaTuneSelector(Module model) {
    this(model, MAX_SIZE, EXPERTS);
  }

  /**
   * The same.
   *
   * @param maxDimSizeToAnalyze larger weights are left out
   * @param moeParamSuffixes what the names of experts' weights end with
   */
  public KappaTuneSelector(Module model, long maxDimSizeToAnalyze, List<String> moeParamSuffixes) {
    Map<String, Double> ofLayers = new LinkedHashMap<>();
    Map<String, Double> ofExperts = new LinkedHashMap<>();
    try (GradMode off = GradMode.noGrad()) {
      model
          .namedModules()
          .forEach(
              (name, module) -> {
                if ((module instanceof Linear || module instanceof QuantizedLinear)
                    && module instanceof LinearLayer layer
                    && Math.max(layer.inFeatures(), layer.outFeatures()) <= maxDimSizeToAnalyze) {
                  try (TensorScope scope = TensorScope.open("condition")) {
                    ofLayers.put(name, condition(layer.denseWeight(DType.FLOAT32)));
                  }
                }
              });
      model
          .namedParameters()
          .forEach(
              (name, parameter) -> {
                if (parameter.shape().rank() == 3
                    && moeParamSuffixes.stream().anyMatch(name::endsWith)
                    && Math.max(parameter.shape().get(1), parameter.shape().get(2))
                        <= maxDimSizeToAnalyze) {
                  ofExperts.put(name, meanCondition(parameter));
                }
              });
    }
    sort(ofLayers, layers);
    sort(ofExperts, experts);
  }

  /** The condition number of each layer by its full name, smallest first. */
  public Map<String, Double> conditionNumbers() {
    return Collections.unmodifiableMap(layers);
  }

  /** The mean over experts of each 3D parameter by its full name, smallest first. */
  public Map<String, Double> parameterConditionNumbers() {
    return Collections.unmodifiableMap(experts);
  }

  /** The best part of the layers, at least one. */
  public List<String> getBestTargets(double topP) {
    return best(layers, part(layers, topP));
  }

  /** So many best layers. */
  public List<String> getBestTargets(int numModules) {
    return best(layers, numModules);
  }

  /** The best part of the 3D parameters, at least one if there are any. */
  public List<String> getBestTargetParameters(double topP) {
    return best(experts, part(experts, topP));
  }

  /** So many best 3D parameters. */
  public List<String> getBestTargetParameters(int numModules) {
    return best(experts, numModules);
  }

  private static int part(Map<String, Double> sorted, double topP) {
    if (!(topP > 0 && topP <= 1)) {
      throw new IllegalArgumentException(
          "topP is " + topP + ". Expected the part of the targets to take, in (0, 1].");
    }
    return Math.max(1, (int) (sorted.size() * topP));
  }

  private static List<String> best(Map<String, Double> sorted, int count) {
    if (count < 1) {
      throw new IllegalArgumentException("numModules is " + count + ". Expected 1 or more.");
    }
    return sorted.keySet().stream().limit(count).toList();
  }

  private static void sort(Map<String, Double> from, Map<String, Double> to) {
    from.entrySet().stream()
        .sorted(Comparator.comparingDouble(Map.Entry::getValue))
        .forEach(entry -> to.put(entry.getKey(), entry.getValue()));
  }

  private static double meanCondition(Parameter parameter) {
    List<Double> all = new ArrayList<>();
    for (long expert = 0; expert < parameter.shape().get(0); expert++) {
      try (TensorScope scope = TensorScope.open("condition")) {
        all.add(condition(parameter.tensor().detach().select(0, expert).to(DType.FLOAT32)));
      }
    }
    return all.stream().mapToDouble(Double::doubleValue).average().orElse(Double.NaN);
  }

  private static double condition(Tensor matrix) {
    Tensor values = LinearAlgebra.singularValues(matrix);
    float[] sorted = values.toFloats();
    return sorted[0] / (sorted[sorted.length - 1] + SMALLEST);
  }
}
