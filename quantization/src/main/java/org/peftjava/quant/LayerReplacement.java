package org.peftjava.quant;

import java.util.ArrayList;
import java.util.Collection;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Conv1D;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;

/** One walk over a model that turns its dense linear layers into quantized ones. */
final class LayerReplacement {
  private static final String WEIGHT = ".weight";

  private final QuantizationConfig config;
  private final Module model;
  private final List<Pattern> skipped;
  private final IdentityHashMap<Parameter, Integer> uses = new IdentityHashMap<>();

  LayerReplacement(QuantizationConfig config, Module model, Collection<String> outputHeads) {
    this.config = config;
    this.model = model;
    skipped = patterns(config.skipModules().orElseGet(() -> defaultSkips(model, outputHeads)));
    model.namedState().values().forEach(parameter -> uses.merge(parameter, 1, Integer::sum));
  }

  List<String> run() {
    Map<String, Module> chosen = new LinkedHashMap<>();
    model
        .namedModules()
        .forEach(
            (path, module) -> {
              if ((module instanceof Linear || module instanceof Conv1D)
                  && !isSkipped(path)
                  && uses.getOrDefault(weight(module), 0) == 1) {
                check(path, module);
                chosen.put(path, module);
              }
            });
    chosen.forEach(this::replace);
    return List.copyOf(chosen.keySet());
  }

  private void replace(String path, Module dense) {
    QuantizedWeight packed;
    try (TensorScope scope = TensorScope.open("quantize " + path)) {
      packed =
          config.quantize(
              dense instanceof Conv1D transposed
                  ? transposed.denseWeight(transposed.computeDtype())
                  : weight(dense).tensor());
    }
    Parameter bias = dense.ownParameters().get("bias");
    ModulePath.replace(model, path, new QuantizedLinear(packed, bias, config.computeDtype()));
    weight(dense).close();
  }

  private static void check(String path, Module module) {
    if (path.isEmpty()) {
      throw new IllegalArgumentException(
          "The model to quantize is a single "
              + module.getClass().getSimpleName()
              + ", which nothing holds. Expected a module with linear layers below it.");
    }
    if (!weight(module).isMaterialized()) {
      throw new IllegalStateException(
          "The weight of "
              + path
              + " has no values to quantize. Load or initialize the model first.");
    }
  }

  private static Parameter weight(Module module) {
    return module instanceof Linear linear ? linear.weight() : ((Conv1D) module).weight();
  }

  /** {@code get_keys_to_not_convert}: the output head, and the module of the last parameter. */
  private static List<String> defaultSkips(Module model, Collection<String> outputHeads) {
    List<String> result = new ArrayList<>();
    outputHeads.forEach(head -> result.add(Pattern.quote(head)));
    String last = "";
    for (String name : model.namedParameters().keySet()) {
      last = name;
    }
    if (last.endsWith(WEIGHT)) {
      result.add(Pattern.quote(last.substring(0, last.length() - WEIGHT.length())));
    }
    return result;
  }

  /** {@code transformers.quantizers.quantizers_utils.should_convert_module}, negated. */
  private boolean isSkipped(String path) {
    return skipped.stream().anyMatch(pattern -> pattern.matcher(path).find());
  }

  private static List<Pattern> patterns(List<String> names) {
    List<Pattern> result = new ArrayList<>();
    for (String name : names) {
      try {
        result.add(Pattern.compile("^(?:" + name + ")"));
        result.add(Pattern.compile(Pattern.quote(name) + "$"));
      } catch (PatternSyntaxException e) {
        throw new IllegalArgumentException(
            "The name '"
                + name
                + "' of modules to skip is no regular expression: "
                + e.getDescription()
                + ". Expected a module name, such as lm_head, or an expression for its path.",
            e);
      }
    }
    return result;
  }
}
