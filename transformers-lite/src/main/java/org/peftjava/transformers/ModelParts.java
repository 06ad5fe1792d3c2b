package org.peftjava.transformers;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModuleList;
import org.peftjava.torch.nn.Parameter;

/**
 * The parts of a model that can be on a device of their own, in the order in which they compute:
 * layers, what follows them, heads. All the rest is one part, where the token embedding is.
 *
 * @param movable path to module
 */
record ModelParts(CheckpointModel model, Map<String, Module> movable) {
  static ModelParts of(CheckpointModel model) {
    Module root = model.module();
    String prefix = model.backboneName().isEmpty() ? "" : model.backboneName() + ".";
    List<String> tails =
        model.backbone().movableChildren().stream().map(path -> prefix + path).toList();
    Map<String, Module> layers = new LinkedHashMap<>();
    Map<String, Module> rest = new LinkedHashMap<>();
    Map<String, Module> modules = root.namedModules();
    modules.forEach(
        (path, module) -> {
          if (layers.keySet().stream().anyMatch(layer -> isIn(path, layer))) {
            return;
          }
          Module parent = modules.get(path.substring(0, Math.max(0, path.lastIndexOf('.'))));
          if (parent instanceof ModuleList) {
            layers.put(path, module);
          } else if (tails.contains(path) || isHead(model, path, module)) {
            rest.put(path, module);
          }
        });
    layers.putAll(rest);
    layers.values().removeIf(module -> module.namedState().isEmpty());
    return new ModelParts(model, Collections.unmodifiableMap(layers));
  }

  private static boolean isHead(CheckpointModel model, String path, Module module) {
    return !path.isEmpty()
        && path.indexOf('.') < 0
        && module != model.backbone()
        && model.module() != model.backbone()
        && !model.backbone().children().containsValue(module);
  }

  /** The parameters and buffers of each part, "" for the rest; shared ones in the first only. */
  Map<String, List<Parameter>> parameters() {
    Map<String, List<Parameter>> result = new LinkedHashMap<>();
    result.put("", new ArrayList<>());
    movable.keySet().forEach(path -> result.put(path, new ArrayList<>()));
    Set<Parameter> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    for (boolean first : new boolean[] {true, false}) {
      model
          .module()
          .namedState()
          .forEach(
              (name, parameter) -> {
                String part = partOf(name);
                if (part.isEmpty() == first && seen.add(parameter)) {
                  Objects.requireNonNull(result.get(part)).add(parameter);
                }
              });
    }
    return result;
  }

  /** All parameters and buffers of a part, shared ones too. */
  List<Parameter> all(String part) {
    return model.module().namedState().entrySet().stream()
        .filter(entry -> partOf(entry.getKey()).equals(part))
        .map(Map.Entry::getValue)
        .toList();
  }

  /** The part that a parameter's or module's name belongs to. */
  String partOf(String name) {
    return movable.keySet().stream().filter(path -> isIn(name, path)).findFirst().orElse("");
  }

  static boolean isIn(String name, String module) {
    return module.isEmpty() || name.equals(module) || name.startsWith(module + ".");
  }
}
