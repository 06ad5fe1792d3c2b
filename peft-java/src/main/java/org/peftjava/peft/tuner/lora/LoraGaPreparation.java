package org.peftjava.peft.tuner.lora;

import java.util.Collection;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.peftjava.peft.tuner.WatchedLinear;
import org.peftjava.torch.CustomGradient;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Conv1D;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;

/**
 * LoRA-GA: mean gradients of weights, out of which adapters start. Paper: arXiv:2407.05000.
 *
 * <p>Reference: PEFT {@code tuners/lora/loraga.py::estimate_gradients}; values in golden/loraga.
 */
public final class LoraGaPreparation {
  private final Module root;
  private final Map<String, Parameter> weights = new LinkedHashMap<>();

  /**
   * For the layers of a model.
   *
   * @param paths of linear layers
   */
  public LoraGaPreparation(Module root, Collection<String> paths) {
    this.root = root;
    for (String path : paths) {
      Parameter weight = ModulePath.get(root, path).ownParameters().get("weight");
      if (weight == null || !weight.dtype().isFloatingPoint()) {
        throw new IllegalArgumentException(
            "LoRA-GA needs the gradients of weights of full precision, but \""
                + path
                + "\" is quantized.");
      }
      weights.put(path, weight);
    }
    if (weights.isEmpty()) {
      throw new IllegalArgumentException(
          "LoRA-GA found no linear layer among those that targetModules selects.");
    }
  }

  /** Counts the backward passes through a layer. */
  private static final class Counter implements WatchedLinear.Watcher {
    private int count;

    @Override
    public Tensor output(Tensor y) {
      Tensor value;
      try (GradMode off = GradMode.noGrad()) {
        value = y.detach().copy();
      }
      return CustomGradient.of(
          value,
          List.of(y),
          List.of(),
          (gradient, saved) -> {
            count++;
            return List.of(gradient);
          });
    }
  }

  /**
   * The mean gradients while training steps run, stored as the weights are, by path, owned by the
   * current scope; none for layers that no backward pass reached.
   *
   * @param trainStep runs forward and backward passes, and no optimizer
   */
  public Map<String, Tensor> gradients(Runnable trainStep) {
    boolean training = root.isTraining();
    IdentityHashMap<Parameter, Boolean> before = new IdentityHashMap<>();
    root.namedParameters().values().forEach(p -> before.put(p, p.requiresGrad()));
    Map<String, Counter> counters = new LinkedHashMap<>();
    weights.keySet().forEach(path -> counters.put(path, new Counter()));
    try {
      root.train(true);
      before.keySet().forEach(parameter -> parameter.requiresGrad(false));
      weights.values().forEach(parameter -> parameter.requiresGrad(true));
      WatchedLinear.during(root, counters, trainStep);
      Map<String, Tensor> result = new LinkedHashMap<>();
      try (GradMode off = GradMode.noGrad()) {
        counters.forEach(
            (path, counter) ->
                Objects.requireNonNull(weights.get(path))
                    .tensor()
                    .grad()
                    .filter(gradient -> counter.count > 0)
                    .ifPresent(gradient -> result.put(path, gradient.div((double) counter.count))));
      }
      return result;
    } finally {
      weights.values().forEach(Parameter::zeroGrad);
      before.forEach(Parameter::requiresGrad);
      root.train(training);
    }
  }

  /** Prepares the layers for adapters with such gradients. */
  public void prepare(Map<String, Tensor> gradients) {
    gradients.forEach(
        (path, gradient) -> {
          Parameter weight = weights.get(path);
          if (weight != null && !gradient.shape().equals(weight.shape())) {
            throw new IllegalArgumentException(
                "LoRA-GA: the gradient of \""
                    + path
                    + "\" is "
                    + gradient.shape()
                    + ", but the weight is "
                    + weight.shape()
                    + ". Was the cache made for another model?");
          }
        });
    for (String path : weights.keySet()) {
      Tensor gradient = gradients.get(path);
      Module layer = ModulePath.get(root, path);
      if (gradient == null) {
        Preparation.drop(layer);
      } else {
        Preparation.put(
            layer, Preparation.Kind.LORA_GA, layer instanceof Conv1D ? gradient.t() : gradient);
      }
    }
  }

  /** Frees what layers were prepared with and no adapter has taken. */
  public static void discard(Module root) {
    root.namedModules().values().forEach(Preparation::drop);
  }
}
