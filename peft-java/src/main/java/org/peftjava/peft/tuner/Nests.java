package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/**
 * Adapters of different types on one model: each type works around those that came before it.
 *
 * <p>Reference: PEFT {@code mixed_model.py, tuners/mixed/model.py}, where a layer of one type wraps
 * the layer of another.
 */
final class Nests {
  /** The types that can be mixed, as in Python. */
  static final Set<String> COMPATIBLE = Set.of("LORA", "LOHA", "LOKR", "ADALORA", "OFT", "SHIRA");

  private Nests() {}

  /** Throws unless adapters of this type can be mixed with others. */
  static void check(String peftType) {
    if (!COMPATIBLE.contains(peftType)) {
      throw new IllegalArgumentException(
          "The provided peft_type "
              + peftType
              + " is not compatible with mixed models. Compatible types are: "
              + COMPATIBLE.stream().sorted().toList()
              + ".");
    }
  }

  /**
   * Adapters of a layer by their types, innermost first.
   *
   * @param adapters all of the layer, in order of addition
   * @param acting those that act, in order of activation
   */
  static List<List<LayerAdapter>> of(
      TunedModel model, Map<String, LayerAdapter> adapters, List<LayerAdapter> acting) {
    Map<String, List<LayerAdapter>> result = new LinkedHashMap<>();
    adapters.keySet().forEach(name -> result.putIfAbsent(type(model, name), new ArrayList<>()));
    for (LayerAdapter adapter : acting) {
      adapters.forEach(
          (name, own) -> {
            if (own == adapter) {
              Objects.requireNonNull(result.get(type(model, name))).add(adapter);
            }
          });
    }
    return result.values().stream().filter(nest -> !nest.isEmpty()).toList();
  }

  /** The names from the innermost type to the outermost: the order in which they are merged. */
  static List<String> inOrder(TunedModel model, Set<String> names) {
    Map<String, List<String>> result = new LinkedHashMap<>();
    for (String name : model.adapters().names()) {
      List<String> nest = result.computeIfAbsent(type(model, name), key -> new ArrayList<>());
      if (names.contains(name)) {
        nest.add(name);
      }
    }
    return result.values().stream().flatMap(List::stream).toList();
  }

  private static String type(TunedModel model, String name) {
    TunerConfig config = model.configs().get(name);
    return config == null ? "" : config.peftType();
  }
}
