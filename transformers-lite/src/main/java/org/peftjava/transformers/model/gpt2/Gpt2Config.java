package org.peftjava.transformers.model.gpt2;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ConfigRules;

/**
 * The configuration of a GPT-2 model, with the names, meanings and defaults of transformers' {@code
 * GPT2Config}.
 *
 * @param json every setting, completed by the defaults
 * @param nameOrPath where the model came from
 */
public record Gpt2Config(ConfigJson json, Optional<String> nameOrPath) implements PretrainedConfig {
  static final String MODEL_TYPE = "gpt2";

  private static final ConfigJson DEFAULTS =
      ConfigJson.parse(
          """
          {
            "model_type": "gpt2",
            "vocab_size": 50257,
            "n_positions": 1024,
            "n_embd": 768,
            "n_layer": 12,
            "n_head": 12,
            "n_inner": null,
            "activation_function": "gelu_new",
            "resid_pdrop": 0.1,
            "embd_pdrop": 0.1,
            "attn_pdrop": 0.1,
            "layer_norm_epsilon": 1e-05,
            "initializer_range": 0.02,
            "summary_type": "cls_index",
            "summary_use_proj": true,
            "summary_activation": null,
            "summary_proj_to_labels": true,
            "summary_first_dropout": 0.1,
            "scale_attn_weights": true,
            "use_cache": true,
            "bos_token_id": 50256,
            "eos_token_id": 50256,
            "pad_token_id": null,
            "scale_attn_by_inverse_layer_idx": false,
            "reorder_and_upcast_attn": false,
            "add_cross_attention": false,
            "tie_word_embeddings": true
          }
          """,
          Path.of("Gpt2Config"));

  /** Names that other architectures use, and this one's for the same. */
  private static final Map<String, String> ALIASES =
      Map.of(
          "hidden_size", "n_embd",
          "max_position_embeddings", "n_positions",
          "num_attention_heads", "n_head",
          "num_hidden_layers", "n_layer");

  /** Completes and checks the settings. */
  public Gpt2Config {
    json = ConfigRules.completed(ConfigRules.renamed(json, ALIASES), DEFAULTS);
    ConfigRules.positive(json, "vocab_size", "n_positions", "n_embd", "n_layer", "n_head");
    if (json.has("n_inner")) {
      ConfigRules.positive(json, "n_inner");
    }
    ConfigRules.divides(json, "n_head", "n_embd");
    ConfigRules.probabilities(json, "resid_pdrop", "embd_pdrop", "attn_pdrop");
    ConfigRules.off(json, List.of("add_cross_attention"));
  }

  /** The defaults of transformers: the shape of the smallest GPT-2. */
  public static Gpt2ConfigBuilder builder() {
    return new Gpt2ConfigBuilder(ConfigJson.empty(Path.of("config.json")), Optional.empty());
  }

  /** A builder with these values. */
  public Gpt2ConfigBuilder toBuilder() {
    return new Gpt2ConfigBuilder(json, nameOrPath);
  }

  /** Reads the settings; absent ones get transformers' defaults. */
  public static Gpt2Config of(ConfigJson json) {
    return new Gpt2Config(json, Optional.empty());
  }

  @Override
  public String modelType() {
    return MODEL_TYPE;
  }

  @Override
  public int vocabSize() {
    return json.getInt("vocab_size");
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
  public int maxPositionEmbeddings() {
    return nPositions();
  }

  /** The longest sequence. */
  public int nPositions() {
    return json.getInt("n_positions");
  }

  /** Number of heads; divides the hidden size. */
  public int nHead() {
    return json.getInt("n_head");
  }

  /** Inner size of the feed-forward blocks: four times the hidden size unless given. */
  public int nInner() {
    return json.getInt("n_inner", 4 * hiddenSize());
  }

  /** Name of the nonlinearity. */
  public String activationFunction() {
    return json.getString("activation_function");
  }

  /** Probability after each block, while training. */
  public double residPdrop() {
    return json.getDouble("resid_pdrop");
  }

  /** Probability after the embeddings, while training. */
  public double embdPdrop() {
    return json.getDouble("embd_pdrop");
  }

  /** Probability inside attention, while training. */
  public double attnPdrop() {
    return json.getDouble("attn_pdrop");
  }

  /** What norms add to the variance. */
  public double layerNormEpsilon() {
    return json.getDouble("layer_norm_epsilon");
  }

  /** Whether scores are divided by the root of a head's size. */
  public boolean scaleAttnWeights() {
    return json.getBoolean("scale_attn_weights");
  }

  /** Whether scores are divided by the number of the layer, counted from 1. */
  public boolean scaleAttnByInverseLayerIdx() {
    return json.getBoolean("scale_attn_by_inverse_layer_idx");
  }

  @Override
  public boolean tieWordEmbeddings() {
    return json.getBoolean("tie_word_embeddings");
  }

  @Override
  public double initialStd() {
    return json.getDouble("initializer_range");
  }

  @Override
  public OptionalLong padTokenId() {
    return json.findLong("pad_token_id");
  }

  @Override
  public OptionalLong bosTokenId() {
    return json.findLong("bos_token_id");
  }

  @Override
  public List<Long> eosTokenIds() {
    return json.getLongs("eos_token_id");
  }

  @Override
  public Gpt2Config withNameOrPath(String name) {
    return new Gpt2Config(json, Optional.of(name));
  }
}
