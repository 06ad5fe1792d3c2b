package org.peftjava.peft.tuner;

import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.peftjava.peft.tuner.TunerMethod.BiasTraining;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * Which parameters of a model with adapters collect gradients: those of adapters that act and may
 * be trained, and the biases that their configs ask for.
 *
 * <p>Reference: PEFT {@code BaseTuner._mark_only_adapters_as_trainable, set_adapter}. Unlike there,
 * biases stop being trained when the adapter that asked for them stops acting.
 */
final class Trainability {
  private final TunedModel model;
  private final Set<String> allowed = new HashSet<>();
  private final Map<String, Boolean> applied = new HashMap<>();
  private final Set<Parameter> trainedBefore = Collections.newSetFromMap(new IdentityHashMap<>());
  private final Set<Parameter> biases = Collections.newSetFromMap(new IdentityHashMap<>());

  Trainability(TunedModel model) {
    this.model = model;
  }

  void freezeBase() {
    Module root = model.base().root();
    root.namedParameters().values().stream()
        .filter(Parameter::requiresGrad)
        .forEach(trainedBefore::add);
    root.requiresGrad(false);
  }

  void restoreBase() {
    model.base().root().namedParameters().values().stream()
        .filter(trainedBefore::contains)
        .forEach(parameter -> parameter.requiresGrad(true));
  }

  void allow(String adapter, boolean on) {
    if (on) {
      allowed.add(adapter);
    } else {
      allowed.remove(adapter);
    }
  }

  void apply() {
    Map<String, Boolean> changed = new LinkedHashMap<>();
    for (String name : model.adapters().names()) {
      boolean on = isTrained(name);
      Boolean before = applied.put(name, on);
      if (on || !Boolean.FALSE.equals(before)) { // who waits as before is left alone
        changed.put(name, on);
      }
    }
    applied.keySet().retainAll(model.adapters().names());
    changed.forEach(this::train);
    biases.forEach(bias -> bias.requiresGrad(false));
    biases.clear();
    model
        .configs()
        .forEach(
            (name, config) -> {
              if (isTrained(name)) {
                biases.addAll(biases(model, name, bias(config)).values());
              }
            });
    biases.forEach(bias -> bias.requiresGrad(true));
  }

  private void train(String name, boolean on) {
    for (AdaptedLayer layer : model.layers().values()) {
      LayerAdapter adapter = layer.adapters().get(name);
      if (adapter != null) {
        train(adapter.weights(), on);
      }
    }
    train(model.shared().getOrDefault(name, SharedWeights.NONE).weights(), on);
    ActingPrompt prompt = model.prompts().all().get(name);
    if (prompt != null) {
      prompt.encoder().trainable(on);
    }
    for (SavedModule module : model.savedModules().values()) {
      Module copy = module.copies().get(name);
      if (copy != null) {
        copy.requiresGrad(on);
      }
    }
  }

  private static void train(List<LayerAdapter.Weight> weights, boolean on) {
    weights.forEach(w -> w.parameter().requiresGrad(on && w.isTrained()));
  }

  boolean isTrained(String adapter) {
    return allowed.contains(adapter) && model.adapters().active().contains(adapter);
  }

  static BiasTraining bias(TunerConfig config) {
    return TunerMethods.get(config.peftType()) instanceof TunerMethod<?> method
        ? bias(method, config)
        : BiasTraining.NONE;
  }

  private static <C extends TunerConfig> BiasTraining bias(
      TunerMethod<C> method, TunerConfig config) {
    return method.bias(method.configType().cast(config));
  }

  /** The base model's biases that an adapter trains so, by their names in the whole tree. */
  static Map<String, Parameter> biases(TunedModel model, String adapter, BiasTraining training) {
    Map<String, Parameter> result = new LinkedHashMap<>();
    if (training == BiasTraining.ADAPTED) {
      model
          .layers()
          .forEach(
              (path, layer) -> {
                if (layer.adapters().containsKey(adapter)) {
                  layer.baseBias().ifPresent(b -> result.put(path + ".base_layer.bias", b));
                }
              });
    } else if (training == BiasTraining.ALL) {
      Set<Parameter> ofAdapters = Collections.newSetFromMap(new IdentityHashMap<>());
      model
          .layers()
          .values()
          .forEach(
              layer ->
                  layer
                      .adapters()
                      .values()
                      .forEach(a -> a.weights().forEach(w -> ofAdapters.add(w.parameter()))));
      model
          .savedModules()
          .values()
          .forEach(module -> ofAdapters.addAll(module.namedParameters().values()));
      model
          .base()
          .root()
          .namedParameters()
          .forEach(
              (name, parameter) -> {
                if ((name.equals("bias") || name.endsWith(".bias"))
                    && !ofAdapters.contains(parameter)) {
                  result.put(name, parameter);
                }
              });
    }
    return result;
  }
}
