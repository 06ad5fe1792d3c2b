package org.peftjava.transformers.checkpoint;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.config.PythonJson;

/**
 * Which tensors go into which file, as {@code huggingface_hub.split_torch_state_dict_into_shards}
 * decides: in order, a new file where the next tensor would not fit; a tensor larger than a file
 * gets one of its own.
 *
 * @param shards tensors by name, for each file
 */
record ShardPlan(List<Map<String, Tensor>> shards) {
  static ShardPlan of(Map<String, Tensor> tensors, long maxBytes) {
    List<Map<String, Tensor>> shards = new ArrayList<>();
    Map<String, Tensor> current = new LinkedHashMap<>();
    long currentBytes = 0;
    for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
      long bytes = bytes(entry.getValue());
      if (bytes > maxBytes) {
        shards.add(Map.of(entry.getKey(), entry.getValue()));
        continue;
      }
      if (currentBytes + bytes > maxBytes) {
        shards.add(current);
        current = new LinkedHashMap<>();
        currentBytes = 0;
      }
      current.put(entry.getKey(), entry.getValue());
      currentBytes += bytes;
    }
    if (!current.isEmpty() || shards.isEmpty()) {
      shards.add(current);
    }
    return new ShardPlan(shards);
  }

  String fileName(int shard) {
    return shards.size() == 1
        ? Checkpoints.SINGLE
        : String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", shard + 1, shards.size());
  }

  /** The text of {@code model.safetensors.index.json}. */
  String indexJson() {
    ObjectNode weightMap = JsonNodeFactory.instance.objectNode();
    long parameters = 0;
    long bytes = 0;
    for (int i = 0; i < shards.size(); i++) {
      for (Map.Entry<String, Tensor> entry : shards.get(i).entrySet()) {
        weightMap.put(entry.getKey(), fileName(i));
        parameters += entry.getValue().numel();
        bytes += bytes(entry.getValue());
      }
    }
    ObjectNode index = JsonNodeFactory.instance.objectNode();
    index.putObject("metadata").put("total_parameters", parameters).put("total_size", bytes);
    index.set("weight_map", weightMap);
    return PythonJson.write(index, true) + "\n";
  }

  private static long bytes(Tensor tensor) {
    return tensor.numel() * tensor.dtype().byteSize();
  }
}
