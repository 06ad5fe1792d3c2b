package org.peftjava.transformers.generation;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.peftjava.transformers.config.ConfigJson;

/** Lists of lists of token ids in a configuration. */
final class TokenRuns {
  private TokenRuns() {}

  static List<List<Long>> read(ConfigJson json, String key) {
    List<List<Long>> runs = new ArrayList<>();
    for (JsonNode run : json.node(key).map(node -> (Iterable<JsonNode>) node).orElse(List.of())) {
      runs.add(run(json, key, run));
    }
    return List.copyOf(runs);
  }

  /** One list; at least one id, each 0 or more. */
  static List<Long> run(ConfigJson json, String key, JsonNode list) {
    List<Long> ids = new ArrayList<>();
    for (JsonNode id : list) {
      if (!id.isIntegralNumber() || !id.canConvertToLong() || id.longValue() < 0) {
        throw json.invalid(key, "expected token ids, each 0 or more.");
      }
      ids.add(id.longValue());
    }
    if (!list.isArray() || ids.isEmpty()) {
      throw json.invalid(key, "expected lists of at least one token id.");
    }
    return List.copyOf(ids);
  }
}
