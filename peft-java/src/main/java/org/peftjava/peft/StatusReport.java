package org.peftjava.peft;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.peftjava.peft.quantized.QuantizationBackend;
import org.peftjava.peft.tuner.AdaptedLayer;
import org.peftjava.peft.tuner.AdapterSet;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.SavedModule;
import org.peftjava.peft.tuner.SharedWeights;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.TunerMethods;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * Reads the state of a model's adapters. Reference: PEFT {@code peft_model.py::get_layer_status,
 * get_model_status}.
 */
final class StatusReport {
  private final Module whole;
  private final TunedModel model;
  private final AdapterSet set;
  private final String prefix;

  private StatusReport(Module whole, Adapted adapted) {
    this.whole = whole;
    model = adapted.tuned();
    set = model.adapters();
    prefix = adapted.isWrapped() ? "model." : "";
  }

  /** Reads a PeftModel, or a module with adapters in its layers. */
  static StatusReport of(Module model) {
    return new StatusReport(model, Adapted.of(model));
  }

  TrainableParameters parameters() {
    return parameters(whole.namedParameters());
  }

  private static TrainableParameters parameters(Map<String, Parameter> parameters) {
    long trainable = 0;
    long all = 0;
    for (Parameter parameter : parameters.values()) {
      all += parameter.represented();
      trainable += parameter.requiresGrad() ? parameter.numel() : 0;
    }
    return new TrainableParameters(trainable, all);
  }

  List<LayerStatus> layers() {
    List<LayerStatus> result = new ArrayList<>();
    model.layers().forEach((path, layer) -> result.add(layer(path, layer)));
    model.savedModules().forEach((path, module) -> result.add(saved(path, module)));
    return List.copyOf(result);
  }

  private LayerStatus layer(String path, AdaptedLayer layer) {
    Map<String, RequiresGrad> trained = new LinkedHashMap<>();
    Map<String, List<String>> devices = new LinkedHashMap<>();
    layer
        .adapters()
        .forEach(
            (name, adapter) -> {
              trained.put(name, trained(trainable(adapter)));
              devices.put(
                  name,
                  sortedUnion(
                      ofWeights(adapter.weights()),
                      ofWeights(model.shared().getOrDefault(name, SharedWeights.NONE).weights())));
            });
    return new LayerStatus(
        prefix + path + (layer.hasOnlyTokens() ? ".token_adapter" : ""),
        layer.hasOnlyTokens()
            ? "TrainableTokensLayer"
            : type(layer.adapters().keySet(), kind(layer)),
        set.isEnabled(),
        set.active(),
        layer.merged(),
        trained,
        layer.adapters().keySet().stream().sorted().toList(),
        devices,
        QuantizationBackend.name(layer.original()));
  }

  private LayerStatus saved(String path, SavedModule module) {
    Map<String, RequiresGrad> trained = new LinkedHashMap<>();
    Map<String, List<String>> devices = new LinkedHashMap<>();
    module
        .copies()
        .forEach(
            (name, copy) -> {
              Collection<Parameter> parameters = copy.namedParameters().values();
              trained.put(name, trained(parameters));
              devices.put(name, devices(parameters));
            });
    return new LayerStatus(
        prefix + path,
        "ModulesToSaveWrapper",
        set.isEnabled(),
        set.active().stream().filter(module.copies()::containsKey).toList(),
        List.of(),
        trained,
        module.copies().keySet().stream().sorted().toList(),
        devices,
        Optional.empty());
  }

  private static List<Parameter> trainable(LayerAdapter adapter) {
    return adapter.weights().stream()
        .filter(weight -> weight.role() == LayerAdapter.Role.TRAINED)
        .map(LayerAdapter.Weight::parameter)
        .toList();
  }

  /** What collects gradients; nothing while adapters are disabled, as in Python. */
  private RequiresGrad trained(Collection<Parameter> parameters) {
    return set.isEnabled()
        ? RequiresGrad.of(
            parameters.stream().map(Parameter::requiresGrad).collect(Collectors.toSet()))
        : RequiresGrad.FALSE;
  }

  private static List<String> ofWeights(List<LayerAdapter.Weight> weights) {
    return devices(weights.stream().map(LayerAdapter.Weight::parameter).toList());
  }

  private static List<String> devices(Collection<Parameter> parameters) {
    return parameters.stream()
        .map(p -> p.isMaterialized() ? p.tensor().device().type() : "meta")
        .distinct()
        .sorted()
        .toList();
  }

  /** Over parameters of a layer Python has a wrapper of its own, whatever the layer is. */
  private static String kind(AdaptedLayer layer) {
    return layer.adapters().values().stream().anyMatch(LayerAdapter::changesParameters)
        ? "ParamWrapper"
        : layer.kind();
  }

  /** What Python calls the layer. */
  private String type(Set<String> adapters, String kind) {
    return model.configs().entrySet().stream()
        .filter(entry -> adapters.isEmpty() || adapters.contains(entry.getKey()))
        .map(entry -> TunerMethods.ofLayers(entry.getValue().peftType()).layerType(kind))
        .findFirst()
        .orElse(kind);
  }

  /** Numbers that would collect gradients if adapters acted. */
  private long waiting() {
    if (set.isEnabled()) {
      return 0;
    }
    long adapters =
        model.layers().values().stream()
            .flatMap(layer -> layer.adapters().values().stream())
            .flatMap(adapter -> trainable(adapter).stream())
            .filter(Parameter::requiresGrad)
            .distinct() // tied ones are in several layers
            .mapToLong(Parameter::numel)
            .sum();
    long copies =
        model.savedModules().values().stream()
            .flatMap(module -> module.copies().values().stream())
            .mapToLong(copy -> parameters(copy.namedParameters()).trainable())
            .sum();
    return adapters + copies;
  }

  ModelStatus model() {
    TrainableParameters parameters = parameters();
    List<LayerStatus> layers = layers();
    Map<String, String> types = new LinkedHashMap<>();
    model.configs().forEach((name, config) -> types.put(name, config.peftType()));
    Map<String, RequiresGrad> trained = new LinkedHashMap<>();
    Map<String, List<String>> devices = new LinkedHashMap<>();
    for (LayerStatus layer : layers) {
      layer.requiresGrad().forEach((name, on) -> trained.merge(name, on, RequiresGrad::merged));
      layer
          .devices()
          .forEach((name, found) -> devices.merge(name, found, StatusReport::sortedUnion));
    }
    model
        .prompts()
        .all()
        .forEach(
            (name, prompt) -> {
              Collection<Parameter> weights = prompt.encoder().namedParameters().values();
              trained.merge(name, promptTrained(weights), RequiresGrad::merged);
              devices.merge(name, devices(weights), StatusReport::sortedUnion);
            });
    return new ModelStatus(
        model.base().className(),
        modelClass(),
        types,
        parameters.trainable() - waiting(),
        parameters.all(),
        layers.size(),
        set.isEnabled(),
        set.active(),
        set.merged(),
        trained,
        set.names().stream().sorted().toList(),
        devices,
        backend(layers));
  }

  private String modelClass() {
    return model.isMixed()
        ? "MixedModel"
        : model.configs().values().stream()
            .findFirst()
            .map(config -> TunerMethods.get(config.peftType()).modelClass())
            .orElse("None");
  }

  /** An encoder is trained if anything in it is: first tokens of a cartridge may be fixed. */
  private static RequiresGrad promptTrained(Collection<Parameter> weights) {
    return weights.stream().anyMatch(Parameter::requiresGrad)
        ? RequiresGrad.TRUE
        : RequiresGrad.FALSE;
  }

  private static Optional<String> backend(List<LayerStatus> layers) {
    Set<Optional<String>> found =
        layers.stream().map(LayerStatus::quantizationBackend).collect(Collectors.toSet());
    return found.size() > 1
        ? Optional.of("irregular")
        : found.stream().findFirst().flatMap(name -> name);
  }

  private static List<String> sortedUnion(List<String> a, List<String> b) {
    TreeSet<String> union = new TreeSet<>(a);
    union.addAll(b);
    return List.copyOf(union);
  }
}
