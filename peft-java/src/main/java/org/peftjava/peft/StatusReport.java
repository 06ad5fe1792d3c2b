package org.peftjava.peft;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.peftjava.peft.tuner.AdaptedLayer;
import org.peftjava.peft.tuner.AdapterSet;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.TunerMethods;
import org.peftjava.torch.nn.Parameter;

/** Reads the state of a model's adapters. Reference: PEFT {@code get_layer_status}. */
final class StatusReport {
  private final TunedModel model;

  StatusReport(TunedModel model) {
    this.model = model;
  }

  TrainableParameters parameters(Map<String, Parameter> parameters) {
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
    return List.copyOf(result);
  }

  private LayerStatus layer(String path, AdaptedLayer layer) {
    AdapterSet set = model.adapters();
    Map<String, Boolean> trained = new LinkedHashMap<>();
    Map<String, List<String>> devices = new LinkedHashMap<>();
    layer
        .adapters()
        .forEach(
            (name, adapter) -> {
              trained.put(name, set.isEnabled() && trained(Stream.of(adapter)) > 0);
              devices.put(name, devices(adapter));
            });
    return new LayerStatus(
        "model." + path + (layer.hasOnlyTokens() ? ".token_adapter" : ""),
        layer.hasOnlyTokens() ? "TrainableTokensLayer" : type() + "." + layer.kind(),
        set.isEnabled(),
        set.active(),
        layer.merged(),
        trained,
        layer.adapters().keySet().stream().sorted().toList(),
        devices);
  }

  /** Numbers of adapters that collect gradients. */
  private static long trained(Stream<LayerAdapter> adapters) {
    return adapters
        .flatMap(adapter -> adapter.weights().stream())
        .map(LayerAdapter.Weight::parameter)
        .filter(Parameter::requiresGrad)
        .distinct() // tied ones are in several layers
        .mapToLong(Parameter::numel)
        .sum();
  }

  /** Numbers that would collect gradients if adapters acted. */
  private long waiting() {
    if (model.adapters().isEnabled()) {
      return 0;
    }
    long adapters =
        trained(
            model.layers().values().stream().flatMap(layer -> layer.adapters().values().stream()));
    long copies =
        model.savedModules().values().stream()
            .flatMap(module -> module.copies().values().stream())
            .mapToLong(copy -> parameters(copy.namedParameters()).trainable())
            .sum();
    return adapters + copies;
  }

  private static List<String> devices(LayerAdapter adapter) {
    return devices(adapter.weights().stream().map(LayerAdapter.Weight::parameter).toList());
  }

  private static List<String> devices(Collection<Parameter> parameters) {
    return parameters.stream()
        .map(p -> p.isMaterialized() ? p.tensor().device().type() : "meta")
        .distinct()
        .sorted()
        .toList();
  }

  private String type() {
    return model.configs().values().stream()
        .map(config -> config.peftType().toLowerCase(Locale.ROOT))
        .findFirst()
        .orElse("");
  }

  ModelStatus model(TrainableParameters parameters) {
    AdapterSet set = model.adapters();
    List<LayerStatus> layers = layers();
    Map<String, String> types = new LinkedHashMap<>();
    model.configs().forEach((name, config) -> types.put(name, config.peftType()));
    Map<String, Boolean> trained = new LinkedHashMap<>();
    Map<String, List<String>> devices = new LinkedHashMap<>();
    for (LayerStatus layer : layers) {
      layer.requiresGrad().forEach((name, on) -> trained.merge(name, on, Boolean::logicalOr));
      layer
          .devices()
          .forEach((name, found) -> devices.merge(name, found, StatusReport::sortedUnion));
    }
    model
        .prompts()
        .all()
        .forEach(
            (name, prompt) -> {
              Map<String, Parameter> weights = prompt.encoder().namedParameters();
              trained.put(name, parameters(weights).trainable() > 0);
              devices.put(name, devices(weights.values()));
            });
    return new ModelStatus(
        model.base().className(),
        model.configs().values().stream()
            .map(config -> TunerMethods.get(config.peftType()).modelClass())
            .findFirst()
            .orElse("None"),
        types,
        parameters.trainable() - waiting(),
        parameters.all(),
        layers.size(),
        set.isEnabled(),
        set.active(),
        set.merged(),
        trained,
        set.names().stream().sorted().toList(),
        devices);
  }

  private static List<String> sortedUnion(List<String> a, List<String> b) {
    TreeSet<String> union = new TreeSet<>(a);
    union.addAll(b);
    return List.copyOf(union);
  }
}
