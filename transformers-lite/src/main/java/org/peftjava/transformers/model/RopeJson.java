package org.peftjava.transformers.model;

import java.util.Optional;
import java.util.Set;
import org.peftjava.transformers.config.ConfigJson;

/**
 * Brings the rotary settings of a {@code config.json} into transformers 5's form, a {@code
 * rope_parameters} object, from whichever form they have: older files hold {@code rope_theta} and
 * {@code rope_scaling}.
 *
 * <p>Reference: {@code RotaryEmbeddingConfigMixin.convert_rope_params_to_dict} and {@code
 * standardize_rope_params}.
 */
final class RopeJson {
  private static final String PARAMETERS = "rope_parameters";
  private static final String SCALING = "rope_scaling";
  private static final String TYPE = "rope_type";

  /** Kinds of model of whose heads a part may stay as it is. */
  private static final Set<String> PARTIAL_TYPES = Set.of("gpt_neox", "phi", "phi3");

  private static final String LOCAL_THETA = "rope_local_base_freq";

  private RopeJson() {}

  /** One object for all layers. */
  static ConfigJson standardize(ConfigJson json, double defaultTheta) {
    ConfigJson rope = scaling(json).or(() -> json.findObject(PARAMETERS)).orElse(nothing(json));
    return withoutOldKeys(json).with(PARAMETERS, complete(rope, json, defaultTheta).toNode());
  }

  /** One object for each type of layer, as Gemma 3 has: only full attention is ever scaled. */
  static ConfigJson standardizePerType(ConfigJson json, double fullTheta, double slidingTheta) {
    ConfigJson both = json.findObject(PARAMETERS).orElse(nothing(json));
    ConfigJson full = both.findObject(LayerType.FULL.pythonName()).orElse(nothing(json));
    ConfigJson sliding = both.findObject(LayerType.SLIDING.pythonName()).orElse(nothing(json));
    Optional<ConfigJson> scaling = scaling(json);
    if (scaling.isPresent()) {
      for (String key : scaling.get().keys()) {
        full = full.with(key, scaling.get().toNode().get(key));
      }
    }
    Object localTheta = valueOr(json, LOCAL_THETA, slidingTheta);
    sliding =
        sliding.has(RopeParameters.THETA)
            ? sliding
            : sliding.with(RopeParameters.THETA, localTheta);
    return withoutOldKeys(json)
        .without(LOCAL_THETA)
        .with(
            PARAMETERS,
            nothing(json)
                .with(LayerType.FULL.pythonName(), complete(full, json, fullTheta).toNode())
                .with(
                    LayerType.SLIDING.pythonName(), complete(sliding, json, slidingTheta).toNode())
                .toNode());
  }

  /** What {@link #standardize} or {@link #standardizePerType} left for this type of layer. */
  static RopeParameters read(ConfigJson json, LayerType type) {
    ConfigJson rope = json.findObject(PARAMETERS).orElseThrow();
    int headDim =
        json.getInt("head_dim", json.getInt("hidden_size") / json.getInt("num_attention_heads"));
    return RopeParameters.of(
        turningPart(rope.findObject(type.pythonName()).orElse(rope), json),
        headDim,
        json.getInt("max_position_embeddings"));
  }

  /** The settings without a part of the head, where heads turn as a whole whatever they say. */
  private static ConfigJson turningPart(ConfigJson rope, ConfigJson json) {
    if (PARTIAL_TYPES.contains(json.getString("model_type", ""))) {
      return rope;
    }
    double part = rope.getDouble(RopeParameters.PARTIAL, 1);
    if (part != 1 && !rope.getString(TYPE).equals("default")) {
      throw rope.invalid(
          RopeParameters.PARTIAL,
          "expected 1: heads of this kind of model turn as a whole. Correct config.json.");
    }
    return rope.without(RopeParameters.PARTIAL);
  }

  private static ConfigJson complete(ConfigJson given, ConfigJson json, double defaultTheta) {
    ConfigJson rope = given;
    if (!rope.has(TYPE)) {
      rope = rope.with(TYPE, rope.getString("type", "default"));
    }
    if (!rope.has(RopeParameters.THETA)) {
      rope = rope.with(RopeParameters.THETA, valueOr(json, RopeParameters.THETA, defaultTheta));
    }
    if (!rope.has(RopeParameters.PARTIAL) && json.has(RopeParameters.PARTIAL)) {
      rope = rope.with(RopeParameters.PARTIAL, json.getDouble(RopeParameters.PARTIAL));
    }
    if (needsOriginal(rope.getString(TYPE))) {
      Object outside =
          valueOr(json, RopeParameters.ORIGINAL, json.getInt("max_position_embeddings"));
      if (json.has(RopeParameters.ORIGINAL) || !rope.has(RopeParameters.ORIGINAL)) {
        rope = rope.with(RopeParameters.ORIGINAL, outside); // Phi-3's counts
      }
    }
    return rope;
  }

  /** The value as the file has it; {@link RopeParameters} checks it. */
  private static Object valueOr(ConfigJson json, String key, Object fallback) {
    return json.has(key) ? json.node(key).orElseThrow() : fallback;
  }

  private static boolean needsOriginal(String type) {
    return type.equals("llama3") || type.equals("yarn") || type.equals("longrope");
  }

  private static Optional<ConfigJson> scaling(ConfigJson json) {
    return json.findObject(SCALING).filter(object -> !object.keys().isEmpty());
  }

  private static ConfigJson withoutOldKeys(ConfigJson json) {
    return json.without(SCALING).without(RopeParameters.THETA);
  }

  private static ConfigJson nothing(ConfigJson json) {
    return ConfigJson.empty(json.source());
  }
}
