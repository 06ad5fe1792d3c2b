package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * Parameters that are adapted without a layer of their own: {@code target_parameters}.
 *
 * <p>Reference: PEFT {@code BaseTuner._inject_parameters}.
 *
 * @param names of parameters by path of the layer that has them, in the layer's order
 */
public record ParameterTargets(Map<String, List<String>> names) {
  /** None. */
  public static final ParameterTargets NONE = new ParameterTargets(Map.of());

  /** The parameters whose full name is one of the targets, or ends with a dot and one. */
  public static ParameterTargets of(BaseModel model, List<String> targets) {
    Map<String, List<String>> result = new LinkedHashMap<>();
    for (String path : model.modules().keySet()) {
      for (String name : model.original(path).ownParameters().keySet()) {
        String full = path + "." + name;
        if (targets.stream().anyMatch(t -> full.equals(t) || full.endsWith("." + t))) {
          result.computeIfAbsent(path, key -> new ArrayList<>()).add(name);
        }
      }
    }
    return new ParameterTargets(result);
  }

  /** Throws unless all can be adapted. */
  void check(BaseModel model, Set<String> adapted, List<String> saved) {
    names.forEach(
        (path, parameters) -> {
          if (adapted.contains(path) || saved.contains(path) || model.isSaved(path)) {
            throw invalid(
                path,
                parameters,
                "its layer is adapted or trained in full already. Leave it out of targetModules"
                    + " (an empty list for none) and modulesToSave");
          }
          Module layer = model.original(path);
          if (!(layer instanceof Layer)) {
            throw invalid(
                path, parameters, layer.getClass().getSimpleName() + " does not implement Layer");
          }
          for (String name : parameters) {
            Parameter parameter = layer.ownParameters().get(name);
            if (parameter == null
                || !parameter.dtype().isFloatingPoint()
                || (parameter.shape().rank() != 2 && parameter.shape().rank() != 3)) {
              throw invalid(
                  path, List.of(name), "it is no matrix of numbers, nor one for each expert");
            }
          }
        });
  }

  private static IllegalArgumentException invalid(String path, List<String> names, String reason) {
    return new IllegalArgumentException(
        "targetParameters selects " + names + " of \"" + path + "\", but " + reason + ".");
  }
}
