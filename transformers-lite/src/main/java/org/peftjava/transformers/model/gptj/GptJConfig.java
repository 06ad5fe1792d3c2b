package org.peftjava.transformers.model.gptj;

import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.ConfigRules;
import org.peftjava.transformers.model.LayerType;
import org.peftjava.transformers.model.RopeParameters;
import org.peftjava.transformers.model.RotaryConfig;

/**
 * The configuration of a GPT-J model, with the names, meanings and defaults of transformers' {@code
 * GPTJConfig}.
 *
 * @param json every setting, completed by the defaults
 * @param nameOrPath where the model came from
 */
public record GptJConfig(ConfigJson json, Optional<String> nameOrPath) implements RotaryConfig {
  static final String MODEL_TYPE = "gptj";

  private static final ConfigJson DEFAULTS =
      ConfigJson.parse(
          """
          {
            "model_type": "gptj",
            "vocab_size": 50400,
            "n_positions": 2048,
            "n_embd": 4096,
            "n_layer": 28,
            "n_head": 16,
            "rotary_dim": 64,
            "n_inner": null,
            "activation_function": "gelu_new",
            "resid_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "attn_pdrop": 0.0,
            "layer_norm_epsilon": 1e-05,
            "initializer_range": 0.02,
            "use_cache": true,
            "bos_token_id": 50256,
            "eos_token_id": 50256,
            "pad_token_id": null,
            "tie_word_embeddings": false
          }
          """,
          Path.of("GptJConfig"));

  /** Names that other architectures use, and this one's for the same. */
  private static final Map<String, String> ALIASES =
      Map.of(
          "hidden_size", "n_embd",
          "max_position_embeddings", "n_positions",
          "num_attention_heads", "n_head",
          "num_hidden_layers", "n_layer");

  /** The base of the angles, which is fixed. */
  private static final ConfigJson ANGLES =
      ConfigJson.parse("{\"rope_theta\": 10000.0}", Path.of("GptJConfig"));

  /** Completes and checks the settings. */
  public GptJConfig {
    json = ConfigRules.completed(ConfigRules.renamed(json, ALIASES), DEFAULTS);
    ConfigRules.positive(json, "vocab_size", "n_positions", "n_embd", "n_layer", "n_head");
    if (json.has("n_inner")) {
      ConfigRules.positive(json, "n_inner");
    }
    ConfigRules.divides(json, "n_head", "n_embd");
    ConfigRules.probabilities(json, "resid_pdrop", "embd_pdrop", "attn_pdrop");
    int size = json.getInt("n_embd") / json.getInt("n_head");
    int turning = json.getInt("rotary_dim");
    if (turning <= 0 || turning > size || turning % 2 != 0) {
      throw json.invalid(
          "rotary_dim", "expected an even number from 2 to " + size + ", the size of a head.");
    }
  }

  /** The defaults of transformers: the shape of gpt-j-6b. */
  public static GptJConfigBuilder builder() {
    return new GptJConfigBuilder(ConfigJson.empty(Path.of("config.json")), Optional.empty());
  }

  /** A builder with these values. */
  public GptJConfigBuilder toBuilder() {
    return new GptJConfigBuilder(json, nameOrPath);
  }

  /** Reads the settings; absent ones get transformers' defaults. */
  public static GptJConfig of(ConfigJson json) {
    return new GptJConfig(json, Optional.empty());
  }

  @Override
  public String modelType() {
    return MODEL_TYPE;
  }

  @Override
  public int hiddenSize() {
    return json.getInt("n_embd");
  }

  @Override
  public int numHiddenLayers() {
    return json.getInt("n_layer");
  }

  @Override
  public int numAttentionHeads() {
    return json.getInt("n_head");
  }

  /** As many as ask. */
  @Override
  public int numKeyValueHeads() {
    return numAttentionHeads();
  }

  @Override
  public int headDim() {
    return hiddenSize() / numAttentionHeads();
  }

  /** Inner size of the feed-forward blocks: four times the hidden size unless given. */
  @Override
  public int intermediateSize() {
    return json.getInt("n_inner", 4 * hiddenSize());
  }

  @Override
  public String hiddenAct() {
    return json.getString("activation_function");
  }

  @Override
  public int maxPositionEmbeddings() {
    return json.getInt("n_positions");
  }

  /** What norms add to the variance. */
  public double layerNormEpsilon() {
    return json.getDouble("layer_norm_epsilon");
  }

  /** Probability after each block, while training. */
  public double residPdrop() {
    return json.getDouble("resid_pdrop");
  }

  @Override
  public double embeddingDropout() {
    return json.getDouble("embd_pdrop");
  }

  @Override
  public double attentionDropout() {
    return json.getDouble("attn_pdrop");
  }

  /** Elements of a head that turn. */
  public int rotaryDim() {
    return json.getInt("rotary_dim");
  }

  @Override
  public RopeParameters rope(LayerType type) {
    return new RopeParameters("default", rotaryDim(), maxPositionEmbeddings(), ANGLES);
  }

  @Override
  public GptJConfig withNameOrPath(String name) {
    return new GptJConfig(json, Optional.of(name));
  }
}
