package org.peftjava.transformers.model;

import java.util.List;
import java.util.Map;
import org.peftjava.transformers.config.ConfigJson;

/** Checks that the configs of all architectures share: each fails with the value and the remedy. */
public final class ConfigRules {
  /** Layers that a stack may have: a config of a few bytes must not make objects without end. */
  static final int MOST_LAYERS = 10_000;

  private static final List<String> LAYER_COUNTS =
      List.of("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_decoder_layers");

  private ConfigRules() {}

  /** No stack has absurdly many layers; to be checked before anything is made of the config. */
  public static void layerCounts(ConfigJson json) {
    for (String key : LAYER_COUNTS) {
      if (json.has(key) && json.getInt(key) > MOST_LAYERS) {
        throw json.invalid(key, "expected at most " + MOST_LAYERS + " layers.");
      }
    }
  }

  /** The object with the value of {@code defaults} for each key that it lacks; null is a value. */
  public static ConfigJson completed(ConfigJson json, ConfigJson defaults) {
    ConfigJson result = json;
    for (String key : defaults.keys()) {
      if (!json.keys().contains(key)) {
        result = result.with(key, defaults.toNode().get(key));
      }
    }
    return result;
  }

  /** The object with the values of some keys under other keys: a map from the old to the new. */
  public static ConfigJson renamed(ConfigJson json, Map<String, String> names) {
    ConfigJson result = json;
    for (Map.Entry<String, String> name : names.entrySet()) {
      if (json.keys().contains(name.getKey())) {
        result =
            result.with(name.getValue(), json.toNode().get(name.getKey())).without(name.getKey());
      }
    }
    return result;
  }

  /** Whole numbers above 0. */
  public static void positive(ConfigJson json, String... keys) {
    for (String key : keys) {
      if (json.getInt(key) <= 0) {
        throw json.invalid(key, "expected a number above 0.");
      }
    }
  }

  /** Numbers from 0 to below 1. */
  public static void probabilities(ConfigJson json, String... keys) {
    for (String key : keys) {
      double value = json.getDouble(key, 0);
      if (!(value >= 0 && value < 1)) {
        throw json.invalid(key, "expected a probability from 0 to below 1.");
      }
    }
  }

  /** One number divides another. */
  public static void divides(ConfigJson json, String divisor, String of) {
    if (json.getInt(of) % json.getInt(divisor) != 0) {
      throw new IllegalArgumentException(
          of
              + " ("
              + json.getInt(of)
              + ") must be divisible by "
              + divisor
              + " ("
              + json.getInt(divisor)
              + "). Correct config.json.");
    }
  }

  /**
   * The padding token is in the vocabulary; negative ids count from its end, as in {@code
   * torch.nn.Embedding}.
   */
  public static void paddingToken(ConfigJson json) {
    long vocabulary = json.getInt("vocab_size");
    json.findLong("pad_token_id")
        .ifPresent(
            id -> {
              if (id < -vocabulary || id >= vocabulary) {
                throw json.invalid(
                    "pad_token_id", "expected 0 to " + (vocabulary - 1) + ", or null for none.");
              }
            });
  }

  /** Settings with the one value that is supported. */
  public static void off(ConfigJson json, List<String> flags) {
    for (String flag : flags) {
      if (json.getBoolean(flag, false)) {
        throw json.invalid(flag, "this version supports false only.");
      }
    }
  }
}
