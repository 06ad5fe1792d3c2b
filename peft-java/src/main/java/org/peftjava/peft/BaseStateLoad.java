package org.peftjava.peft;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.peftjava.peft.tuner.BaseState;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.StateDict.LoadReport;
import org.peftjava.torch.nn.StateDict.ShapeConflict;

/** Copies values into the model below adapters. Reference: {@code set_base_model_state_dict}. */
final class BaseStateLoad {
  private BaseStateLoad() {}

  static LoadReport of(TunedModel model, Map<String, Tensor> values, boolean strict) {
    if (!model.adapters().merged().isEmpty()) {
      throw new IllegalStateException(
          "Adapters "
              + model.adapters().merged()
              + " are merged into the weights that would be replaced. Call unmergeAdapter first.");
    }
    Map<String, Parameter> places = BaseState.of(model);
    List<String> missing =
        places.keySet().stream().filter(name -> !values.containsKey(name)).toList();
    List<String> unexpected =
        values.keySet().stream().filter(name -> !places.containsKey(name)).toList();
    Map<String, ShapeConflict> mismatched = new LinkedHashMap<>();
    places.forEach(
        (name, place) -> {
          Tensor value = values.get(name);
          if (value != null && !value.shape().equals(place.shape())) {
            mismatched.put(name, new ShapeConflict(value.shape(), place.shape()));
          }
        });
    if (!mismatched.isEmpty() || (strict && !(missing.isEmpty() && unexpected.isEmpty()))) {
      throw new IllegalArgumentException(
          "These values are not those of the base model. Missing: "
              + some(missing)
              + ". Unexpected: "
              + some(unexpected)
              + ". Of another shape: "
              + some(List.copyOf(mismatched.keySet()))
              + ". Expected names as getBaseModelStateDict gives them"
              + (mismatched.isEmpty() ? "; strict = false takes what fits." : "."));
    }
    try (GradMode off = GradMode.noGrad()) {
      places.forEach(
          (name, place) -> {
            Tensor value = values.get(name);
            if (value != null) {
              place.copyFrom(value);
            }
          });
    }
    return new LoadReport(missing, unexpected, Map.of());
  }

  private static String some(List<String> names) {
    return names.isEmpty()
        ? "none"
        : String.join(", ", names.subList(0, Math.min(3, names.size())))
            + (names.size() > 3 ? " and " + (names.size() - 3) + " more" : "");
  }
}
