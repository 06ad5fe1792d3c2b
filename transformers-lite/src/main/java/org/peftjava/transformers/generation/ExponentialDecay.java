package org.peftjava.transformers.generation;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Optional;
import org.peftjava.transformers.config.ConfigJson;

/**
 * How end tokens become likelier with length; Python's {@code exponential_decay_length_penalty}.
 *
 * @param start number of new tokens after which it begins
 * @param factor what the pull grows by with each further token; above 1 ends rows sooner
 */
public record ExponentialDecay(int start, double factor) {
  private static final String KEY = "exponential_decay_length_penalty";

  static Optional<ExponentialDecay> read(ConfigJson json) {
    Optional<JsonNode> pair = json.node(KEY);
    if (pair.isEmpty()) {
      return Optional.empty();
    }
    JsonNode node = pair.get();
    if (node.size() != 2 || !node.path(0).canConvertToInt() || !node.path(1).isNumber()) {
      throw json.invalid(KEY, "expected [number of tokens, factor].");
    }
    return Optional.of(new ExponentialDecay(node.get(0).intValue(), node.get(1).doubleValue()));
  }
}
