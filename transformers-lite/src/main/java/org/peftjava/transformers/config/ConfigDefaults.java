package org.peftjava.transformers.config;

import java.nio.file.Path;
import java.util.OptionalDouble;

/**
 * The settings that a kind of model has, with transformers' defaults, and checks of their values. A
 * config that rests on this holds its settings as JSON, so that files are read and written without
 * loss.
 */
public final class ConfigDefaults {
  private final ConfigJson defaults;

  private ConfigDefaults(ConfigJson defaults) {
    this.defaults = defaults;
  }

  /** The defaults that this JSON object holds. */
  public static ConfigDefaults parse(String json) {
    return new ConfigDefaults(ConfigJson.parse(json, Path.of("config.json")));
  }

  /** The defaults alone. */
  public ConfigJson json() {
    return defaults;
  }

  /** The settings, with the default of each that is absent. One that is null stays null. */
  public ConfigJson complete(ConfigJson json) {
    ConfigJson result = json;
    for (String key : defaults.keys()) {
      if (!json.keys().contains(key)) {
        result = result.with(key, defaults.node(key).orElse(null));
      }
    }
    return result;
  }

  /** Throws unless each of these settings is a whole number above 0. */
  public static void positive(ConfigJson json, String... keys) {
    for (String key : keys) {
      if (json.getInt(key) <= 0) {
        throw new IllegalArgumentException(
            key + " is " + json.getInt(key) + ". Expected a number above 0. Correct config.json.");
      }
    }
  }

  /** Throws unless each of these settings is a probability, or absent. */
  public static void probability(ConfigJson json, String... keys) {
    for (String key : keys) {
      OptionalDouble value = json.findDouble(key);
      if (value.isPresent() && !(value.getAsDouble() >= 0 && value.getAsDouble() < 1)) {
        throw new IllegalArgumentException(
            key + " is " + value.getAsDouble() + ". Expected a probability from 0 to below 1.");
      }
    }
  }

  /** Throws unless the hidden size is a multiple of the number of heads. */
  public static void divisible(ConfigJson json, String size, String heads) {
    if (json.getInt(size) % json.getInt(heads) != 0) {
      throw new IllegalArgumentException(
          size
              + " ("
              + json.getInt(size)
              + ") must be divisible by "
              + heads
              + " ("
              + json.getInt(heads)
              + "). Correct config.json.");
    }
  }

  /** Throws unless the padding token, if there is one, is in the vocabulary. */
  public static void padding(ConfigJson json) {
    int tokens = json.getInt("vocab_size");
    long padding = json.findLong("pad_token_id").orElse(0);
    if (padding < 0 || padding >= tokens) {
      throw new IllegalArgumentException(
          "pad_token_id is " + padding + ". Expected 0 to " + (tokens - 1) + ", or null for none.");
    }
  }

  /** Throws if one of these switches is on, which this library has no layers for. */
  public static void off(ConfigJson json, String... keys) {
    for (String key : keys) {
      if (json.getBoolean(key, false)) {
        throw new IllegalArgumentException(
            key
                + " is true, but models of type '"
                + json.getString("model_type", "")
                + "' have no such layers here. Set it to false.");
      }
    }
  }
}
