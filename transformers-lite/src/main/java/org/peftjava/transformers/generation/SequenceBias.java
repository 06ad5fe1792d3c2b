package org.peftjava.transformers.generation;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.peftjava.transformers.config.ConfigJson;

/**
 * What is added to the logit of a token that completes a run of tokens; Python's {@code
 * sequence_bias}.
 *
 * @param ids the run; its last token gets the bias where the others precede it
 * @param bias above 0 makes the token likelier
 */
public record SequenceBias(List<Long> ids, double bias) {
  private static final String KEY = "sequence_bias";

  /** Checks the tokens. */
  public SequenceBias {
    ids = List.copyOf(ids);
    if (ids.isEmpty() || ids.stream().anyMatch(id -> id < 0)) {
      throw new IllegalArgumentException(
          "sequence_bias has the run " + ids + ". Expected at least one token id, each 0 or more.");
    }
  }

  static List<SequenceBias> read(ConfigJson json) {
    List<SequenceBias> biases = new ArrayList<>();
    for (JsonNode entry : json.node(KEY).map(node -> (Iterable<JsonNode>) node).orElse(List.of())) {
      if (!entry.isArray() || entry.size() != 2 || !entry.get(1).isNumber()) {
        throw json.invalid(KEY, "expected a list of [[token ids], number] pairs.");
      }
      biases.add(
          new SequenceBias(TokenRuns.run(json, KEY, entry.get(0)), entry.get(1).doubleValue()));
    }
    return List.copyOf(biases);
  }

  /** The entry in a file. */
  Object json() {
    return List.of(ids, bias);
  }
}
