package org.peftjava.transformers.checkpoint;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.peftjava.transformers.config.InvalidFileException;

/** The tensors of an unpickled {@code state_dict}. */
final class TensorDictionary {
  private TensorDictionary() {}

  /** Name to tensor, in the order of the file; values of other kinds are left out. */
  static Map<String, StoredTensor> tensors(MappedFile file, Object root) {
    if (!(root instanceof Map<?, ?> map)) {
      throw new InvalidFileException(
          file.file(),
          "holds "
              + Unpickler.kind(root)
              + "; expected a dictionary {name: tensor}. Save the weights with"
              + " torch.save(model.state_dict(), file).");
    }
    Map<String, StoredTensor> tensors = new LinkedHashMap<>();
    map.forEach(
        (key, value) -> {
          if (key instanceof String name && value instanceof StoredTensor tensor) {
            tensors.put(name, tensor);
          }
        });
    if (tensors.isEmpty()) {
      String inner =
          map.values().stream().anyMatch(Map.class::isInstance)
              ? " One of its values is a dictionary: save that one alone, as state_dict() gives it."
              : "";
      throw new InvalidFileException(
          file.file(), "holds a dictionary without a tensor." + inner + " Is it a model's file?");
    }
    return Collections.unmodifiableMap(tensors);
  }

  /**
   * Names of tensors that share elements with an earlier one. They must be copied, or changing the
   * one would change the other.
   */
  static Set<String> sharing(Map<String, StoredTensor> tensors) {
    Map<String, List<String>> byStorage = new HashMap<>();
    tensors.forEach(
        (name, tensor) ->
            byStorage.computeIfAbsent(tensor.storage().key(), key -> new ArrayList<>()).add(name));
    Set<String> sharing = new HashSet<>();
    for (List<String> names : byStorage.values()) {
      names.sort(Comparator.comparingLong(name -> bytes(tensors, name, false)));
      long covered = 0;
      for (String name : names) {
        if (bytes(tensors, name, false) < covered) {
          sharing.add(name);
        }
        covered = Math.max(covered, bytes(tensors, name, true));
      }
    }
    return sharing;
  }

  private static long bytes(Map<String, StoredTensor> tensors, String name, boolean end) {
    StoredTensor tensor = Objects.requireNonNull(tensors.get(name));
    return (end ? tensor.end() : tensor.offset()) * tensor.storage().dtype().byteSize();
  }
}
