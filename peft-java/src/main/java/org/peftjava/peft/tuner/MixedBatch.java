package org.peftjava.peft.tuner;

import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Batches whose rows have different adapters. Reference: PEFT {@code
 * lora/model.py::_enable_peft_forward_hooks, _check_forward_args}.
 */
public final class MixedBatch {
  private MixedBatch() {}

  /**
   * Lets each row of the next passes have its own adapter, until the result is closed.
   *
   * @throws IllegalArgumentException if a name is unknown, or its adapter is not in layers
   * @throws IllegalStateException if the model is in training mode or adapters are merged
   * @throws UnsupportedOperationException if a method cannot compute rows apart from each other
   */
  public static AdapterSet.Running open(TunedModel model, AdapterRows rows) {
    AdapterSet set = model.adapters();
    Set<String> names = rows.adapters();
    set.checkKnown(names);
    if (model.isTraining()) {
      throw new IllegalStateException(
          "adapterNames is for inference, but the model is in training mode. Call eval() first.");
    }
    if (!set.merged().isEmpty()) {
      throw new IllegalStateException(
          "adapterNames needs all adapters apart from the base weights, but "
              + set.merged()
              + " are merged. Call unmergeAdapter() first.");
    }
    checkMixable(model, names);
    return set.mix(rows);
  }

  private static void checkMixable(TunedModel model, Set<String> names) {
    Set<String> found = new LinkedHashSet<>();
    for (AdaptedLayer layer : model.layers().values()) {
      for (Map.Entry<String, LayerAdapter> entry : layer.adapters().entrySet()) {
        if (names.contains(entry.getKey()) && !entry.getValue().mixesBatches()) {
          throw new UnsupportedOperationException(
              "Adapter \""
                  + entry.getKey()
                  + "\" cannot have rows of its own in a batch: its method computes the batch as a"
                  + " whole. Activate it for a batch of its own with setAdapter.");
        }
      }
      found.addAll(layer.adapters().keySet());
    }
    Stream<Collection<String>> copies =
        model.savedModules().values().stream().map(module -> module.copies().keySet());
    copies.forEach(found::addAll);
    List<String> elsewhere = names.stream().filter(name -> !found.contains(name)).toList();
    if (!elsewhere.isEmpty()) {
      throw new UnsupportedOperationException(
          "Adapters "
              + elsewhere
              + " are in no layer and cannot have rows of their own in a batch. Activate one for a"
              + " batch of its own with setAdapter.");
    }
  }
}
