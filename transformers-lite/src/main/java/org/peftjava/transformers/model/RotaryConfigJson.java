package org.peftjava.transformers.model;

import java.util.List;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import org.peftjava.transformers.config.ConfigJson;

/** Completes and checks the {@code config.json} of Llama and its relatives. */
public final class RotaryConfigJson {
  private static final double DEFAULT_THETA = 10_000;
  private static final String KEY_VALUE_HEADS = "num_key_value_heads";

  private RotaryConfigJson() {}

  /**
   * The object with defaults, with derived sizes and with its rotary settings in transformers 5's
   * form; checked.
   */
  public static ConfigJson complete(ConfigJson json, ConfigJson defaults) {
    return checked(RopeJson.standardize(completed(json, defaults), DEFAULT_THETA));
  }

  /** The same for an architecture whose types of layers have rotary settings of their own. */
  public static ConfigJson completePerType(
      ConfigJson json, ConfigJson defaults, double fullTheta, double slidingTheta) {
    return checked(RopeJson.standardizePerType(completed(json, defaults), fullTheta, slidingTheta));
  }

  /**
   * The object with {@code layer_types}, unless it has them: the layers that slide are those that
   * {@code slides} says.
   */
  public static ConfigJson withLayerTypes(
      ConfigJson json, ConfigJson defaults, IntPredicate slides) {
    if (json.has("layer_types")) {
      return json;
    }
    int layers = json.getInt("num_hidden_layers", defaults.getInt("num_hidden_layers"));
    List<String> types =
        IntStream.range(0, layers)
            .mapToObj(layer -> slides.test(layer) ? LayerType.SLIDING : LayerType.FULL)
            .map(LayerType::pythonName)
            .toList();
    return json.with("layer_types", types);
  }

  /**
   * The same for Qwen: with {@code use_sliding_window}, layers from {@code max_window_layers} on
   * slide; without it there is no window.
   */
  public static ConfigJson withWindowFrom(ConfigJson json, ConfigJson defaults) {
    ConfigJson all = ConfigRules.completed(json, defaults);
    boolean slides = all.getBoolean("use_sliding_window") && all.has("sliding_window");
    int first = all.getInt("max_window_layers");
    ConfigJson result = slides ? all : all.with("sliding_window", null);
    return withLayerTypes(result, defaults, layer -> slides && layer >= first);
  }

  private static ConfigJson completed(ConfigJson json, ConfigJson defaults) {
    ConfigJson result = ConfigRules.completed(json, defaults);
    ConfigRules.positive(
        result,
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "max_position_embeddings");
    if (defaults.keys().contains(KEY_VALUE_HEADS) && !result.has(KEY_VALUE_HEADS)) {
      result = result.with(KEY_VALUE_HEADS, result.getInt("num_attention_heads"));
    }
    if (defaults.keys().contains("head_dim") && !result.has("head_dim")) {
      ConfigRules.divides(result, "num_attention_heads", "hidden_size");
      result =
          result.with(
              "head_dim", result.getInt("hidden_size") / result.getInt("num_attention_heads"));
    }
    return result;
  }

  private static ConfigJson checked(ConfigJson json) {
    if (json.has(KEY_VALUE_HEADS)) {
      ConfigRules.positive(json, KEY_VALUE_HEADS);
      ConfigRules.divides(json, KEY_VALUE_HEADS, "num_attention_heads");
    }
    if (json.has("head_dim")) {
      ConfigRules.positive(json, "head_dim");
    } else {
      ConfigRules.divides(json, "num_attention_heads", "hidden_size");
    }
    ConfigRules.probabilities(json, "attention_dropout");
    ConfigRules.paddingToken(json);
    for (LayerType type : LayerType.values()) {
      RopeJson.read(json, type);
    }
    if (json.has("sliding_window")) {
      ConfigRules.positive(json, "sliding_window");
    }
    if (json.has("layer_types")) {
      List<LayerType> types = LayerType.of(json, json.getInt("num_hidden_layers"));
      if (types.contains(LayerType.SLIDING) && !json.has("sliding_window")) {
        throw json.invalid(
            "sliding_window", "layer_types has sliding_attention, which needs a number.");
      }
    }
    return json;
  }
}
