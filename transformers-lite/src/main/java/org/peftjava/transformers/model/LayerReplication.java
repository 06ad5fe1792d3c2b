package org.peftjava.transformers.model;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.peftjava.quant.QuantizedLinear;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModuleList;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.config.ConfigJson;

/**
 * Uses the layers of a stack more than once, each time with the same weights: layers 0 to 3 and 2
 * to 5 make a stack of 0 1 2 3 2 3 4 5.
 *
 * <p>Reference: PEFT {@code tuners_utils.py::replicate_layers}.
 *
 * @param order the present layer for each layer of the new stack
 */
public record LayerReplication(List<Integer> order) {
  private static final List<String> COUNTS = List.of("num_hidden_layers", "n_layer", "n_layers");
  private static final String TYPES = "layer_types";

  /** Keeps an unchangeable list. */
  public LayerReplication {
    order = List.copyOf(order);
  }

  /**
   * The layers of these ranges, one after the other.
   *
   * @param ranges first layer, and the one after the last
   * @param layers number of layers that there are
   */
  public static LayerReplication of(List<List<Integer>> ranges, int layers) {
    List<Integer> order = new ArrayList<>();
    for (List<Integer> range : ranges) {
      if (range.size() != 2
          || range.get(0) < 0
          || range.get(0) >= range.get(1)
          || range.get(1) > layers) {
        throw new IllegalArgumentException(
            "layerReplication "
                + range
                + " does not fit a model of "
                + layers
                + " layers. Expected ranges [first, after the last] within [0, "
                + layers
                + "].");
      }
      IntStream.range(range.get(0), range.get(1)).forEach(order::add);
      if (order.size() > ConfigRules.MOST_LAYERS) {
        throw new IllegalArgumentException(
            "layerReplication makes a stack of more than "
                + ConfigRules.MOST_LAYERS
                + " layers of the "
                + layers
                + " that there are. Expected fewer.");
      }
    }
    return new LayerReplication(order);
  }

  /** The settings of the model with the new stack. */
  public ConfigJson changed(ConfigJson json) {
    ConfigJson result = json;
    for (String key : COUNTS) {
      result = json.has(key) ? result.with(key, order.size()) : result;
    }
    if (json.has(TYPES)) {
      List<String> types = json.getStrings(TYPES);
      result = result.with(TYPES, order.stream().map(types::get).toList());
    }
    return result;
  }

  /**
   * Puts the new stack in place.
   *
   * @param fresh layers for the new stack, without memory
   * @return puts the present layers back
   */
  public Runnable apply(ModuleList<?> stack, List<? extends Module> fresh) {
    List<Module> before = List.copyOf(stack.children().values());
    for (int i = 0; i < order.size(); i++) {
      share(fresh.get(i), before.get(order.get(i)));
    }
    stack.set(fresh);
    stack.train(stack.isTraining());
    return () -> stack.set(before);
  }

  /** Gives a layer the weights of another one of its architecture. */
  private static void share(Module target, Module source) {
    source
        .namedModules()
        .forEach(
            (path, module) -> {
              if (module instanceof QuantizedLinear quantized) {
                ModulePath.replace(target, path, quantized.twin());
              } else {
                share(ModulePath.get(target, path), module.ownParameters(), path);
              }
              ModulePath.get(target, path).inputDevice(module.inputDevice());
            });
  }

  private static void share(Module target, Map<String, Parameter> weights, String path) {
    if (!target.ownParameters().keySet().equals(weights.keySet())) {
      throw new IllegalStateException(
          "The layers of this model have been changed (\""
              + path
              + "\"), and cannot be used more than once. Do that before anything else.");
    }
    weights.forEach(target::share);
  }
}
