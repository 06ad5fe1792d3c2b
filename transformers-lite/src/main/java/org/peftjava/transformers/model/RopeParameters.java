package org.peftjava.transformers.model;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeSet;
import org.peftjava.transformers.config.ConfigJson;

/**
 * How positions become angles: {@code rope_parameters} of transformers 5.
 *
 * @param type "default", "linear", "dynamic", "yarn", "longrope" or "llama3"
 * @param dim rotated elements of a head, even
 * @param maxPositions the model's {@code max_position_embeddings}
 * @param values the settings of that type, under Python's names
 */
public record RopeParameters(String type, int dim, int maxPositions, ConfigJson values) {
  /** The base of the angles. */
  static final String THETA = "rope_theta";

  static final String PARTIAL = "partial_rotary_factor";
  static final String ORIGINAL = "original_max_position_embeddings";

  private static final Set<String> TYPES =
      Set.of("default", "linear", "dynamic", "yarn", "longrope", "llama3");

  /** Checks what can be checked without computing. */
  public RopeParameters {
    if (!TYPES.contains(type)) {
      throw values.invalid(
          "rope_type",
          "expected one of " + String.join(", ", new TreeSet<>(TYPES)) + ". Correct config.json.");
    }
    if (dim <= 0 || dim % 2 != 0) {
      throw new IllegalArgumentException(
          "Rotary embeddings turn "
              + dim
              + " elements of each head. Expected an even number above 0: correct head_dim, or"
              + " hidden_size and num_attention_heads, or partial_rotary_factor.");
    }
  }

  /**
   * Reads the settings of one type of layer.
   *
   * @param values {@code rope_parameters}, completed by {@link RopeJson}
   * @param headDim size of a head
   */
  static RopeParameters of(ConfigJson values, int headDim, int maxPositions) {
    int dim = (int) (headDim * values.getDouble(PARTIAL, 1));
    RopeParameters rope =
        new RopeParameters(values.getString("rope_type"), dim, maxPositions, values);
    RopeFrequencies.check(rope);
    return rope;
  }

  /** The base of the angles. */
  double theta() {
    return find(THETA).orElseThrow(() -> values.invalid(THETA, "expected a number."));
  }

  /** How many times longer sequences became than they were in pretraining. */
  double factor() {
    return number("factor");
  }

  /** {@link #factor}, else the ratio of the present and the original longest sequence. */
  double factorOrRatio() {
    return values.has("factor") ? factor() : maxPositions / original();
  }

  /** The longest sequence of pretraining. */
  public double original() {
    return find(ORIGINAL).orElse(maxPositions);
  }

  /** A number that this type needs. */
  double number(String key) {
    return find(key)
        .orElseThrow(
            () ->
                values.invalid(
                    key, "rope_type '" + type + "' needs it. Add it to rope_parameters."));
  }

  /** A number that this type may have; true counts as 1 and false as 0, as in Python. */
  OptionalDouble find(String key) {
    Optional<JsonNode> flag = values.node(key).filter(JsonNode::isBoolean);
    return flag.isPresent()
        ? OptionalDouble.of(flag.get().booleanValue() ? 1 : 0)
        : values.findDouble(key);
  }

  /** {@link #find}, but 0 counts as nothing. */
  OptionalDouble findNonZero(String key) {
    OptionalDouble found = find(key);
    return found.orElse(0) == 0 ? OptionalDouble.empty() : found;
  }

  /** One number for each angle; a list of one serves all. */
  List<Double> perAngle(String key) {
    List<Double> list = values.getDoubles(key);
    if (list.size() == 1) {
      return Collections.nCopies(dim / 2, list.get(0));
    }
    if (list.size() != dim / 2) {
      throw values.invalid(
          key, "rope_type '" + type + "' needs a list of " + dim / 2 + " numbers, one per angle.");
    }
    return list;
  }
}
