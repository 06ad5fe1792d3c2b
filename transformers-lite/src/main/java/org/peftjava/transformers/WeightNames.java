package org.peftjava.transformers;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.peftjava.transformers.model.Architecture;

/**
 * Which name in a checkpoint is which weight of a model: the same, or with the backbone's prefix
 * before it or taken from it, or under a name that transformers once had.
 *
 * @param keys the checkpoint's name of each weight that it has, by the model's name
 * @param unexpected the checkpoint's names that have no place in the model
 */
record WeightNames(Map<String, String> keys, List<String> unexpected) {
  /** Names of buffers that old checkpoints hold and models compute themselves. */
  private static final Set<String> COMPUTED = Set.of("position_ids", "inv_freq");

  static WeightNames match(CheckpointModel model, Collection<String> names) {
    Set<String> state = model.module().namedState().keySet();
    Map<String, String> keys = new LinkedHashMap<>();
    List<String> unexpected = new ArrayList<>();
    for (String key : names) {
      List<String> found = candidates(model, key).stream().filter(state::contains).toList();
      if (!found.isEmpty()) {
        keys.putIfAbsent(found.get(0), key);
      } else if (!COMPUTED.contains(key.substring(key.lastIndexOf('.') + 1))
          && !model.architecture().ignoresWeight(model.task(), key)) {
        unexpected.add(key);
      }
    }
    return new WeightNames(keys, unexpected);
  }

  private static Set<String> candidates(CheckpointModel model, String key) {
    Architecture architecture = model.architecture();
    // names of TensorFlow's layer norms, as in bert-base-uncased
    String renamed =
        architecture
            .presentName(key)
            .replace("LayerNorm.gamma", "LayerNorm.weight")
            .replace("LayerNorm.beta", "LayerNorm.bias");
    Set<String> names = new LinkedHashSet<>(List.of(renamed));
    String bare =
        architecture.tasks().stream()
            .map(task -> architecture.backboneName(task) + ".")
            .filter(prefix -> prefix.length() > 1 && renamed.startsWith(prefix))
            .findFirst()
            .map(prefix -> renamed.substring(prefix.length()))
            .orElse(renamed);
    names.add(model.backboneName().isEmpty() ? bare : model.backboneName() + "." + bare);
    names.add(model.backboneName().isEmpty() ? bare : model.backboneName() + "." + renamed);
    return names;
  }
}
