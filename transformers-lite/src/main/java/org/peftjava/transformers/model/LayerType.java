package org.peftjava.transformers.model;

import java.util.List;
import org.peftjava.transformers.config.ConfigJson;

/** How far back a decoder layer looks: an entry of {@code layer_types} in {@code config.json}. */
public enum LayerType {
  /** To the first token. */
  FULL("full_attention"),
  /** Over the last {@code sliding_window} tokens, itself included. */
  SLIDING("sliding_attention");

  private static final String KEY = "layer_types";

  private final String pythonName;

  LayerType(String pythonName) {
    this.pythonName = pythonName;
  }

  /** The name in {@code config.json}. */
  public String pythonName() {
    return pythonName;
  }

  /** The types in {@code layer_types}, one per layer. */
  static List<LayerType> of(ConfigJson json, int layers) {
    List<LayerType> types = json.getStrings(KEY).stream().map(name -> of(name, json)).toList();
    if (types.size() != layers) {
      throw json.invalid(
          KEY, "expected one entry for each of the " + layers + " layers (num_hidden_layers).");
    }
    return types;
  }

  private static LayerType of(String name, ConfigJson json) {
    for (LayerType type : values()) {
      if (type.pythonName.equals(name)) {
        return type;
      }
    }
    throw json.invalid(KEY, "expected full_attention or sliding_attention, not " + name + ".");
  }
}
