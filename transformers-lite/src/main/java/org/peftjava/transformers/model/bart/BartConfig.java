package org.peftjava.transformers.model.bart;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.peftjava.transformers.config.ConfigDefaults;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.Labels;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ConfigRules;

/**
 * The configuration of a BART model, with the names, meanings and defaults of transformers' {@code
 * BartConfig}.
 *
 * @param json every setting, with those that this library does not use
 * @param nameOrPath where the model came from
 */
public record BartConfig(ConfigJson json, Optional<String> nameOrPath) implements PretrainedConfig {
  static final String MODEL_TYPE = "bart";

  private static final int LABELS = 3;

  private static final Map<String, String> OTHER_NAMES =
      Map.of(
          "num_attention_heads", "encoder_attention_heads",
          "hidden_size", "d_model",
          "num_hidden_layers", "encoder_layers");

  private static final ConfigDefaults DEFAULTS =
      ConfigDefaults.parse(
          """
          {
            "model_type": "bart", "vocab_size": 50265, "max_position_embeddings": 1024,
            "encoder_layers": 12, "encoder_ffn_dim": 4096, "encoder_attention_heads": 16,
            "decoder_layers": 12, "decoder_ffn_dim": 4096, "decoder_attention_heads": 16,
            "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0, "activation_function": "gelu",
            "d_model": 1024, "dropout": 0.1, "attention_dropout": 0.0, "activation_dropout": 0.0,
            "init_std": 0.02, "classifier_dropout": 0.0, "scale_embedding": false,
            "use_cache": true, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
            "is_encoder_decoder": true, "decoder_start_token_id": 2, "forced_eos_token_id": 2,
            "is_decoder": false, "tie_word_embeddings": true
          }
          """);

  /** Checks the settings; absent ones get transformers' defaults. */
  public BartConfig {
    ConfigJson full = DEFAULTS.complete(ConfigRules.renamed(json, OTHER_NAMES));
    if (!full.has("id2label") && !full.has("num_labels")) {
      full = Labels.withCount(full, LABELS);
    }
    check(full);
    json = full;
  }

  private static void check(ConfigJson json) {
    ConfigDefaults.positive(
        json,
        "vocab_size",
        "max_position_embeddings",
        "d_model",
        "encoder_layers",
        "encoder_ffn_dim",
        "encoder_attention_heads",
        "decoder_layers",
        "decoder_ffn_dim",
        "decoder_attention_heads");
    ConfigDefaults.probability(
        json,
        "dropout",
        "attention_dropout",
        "activation_dropout",
        "classifier_dropout",
        "encoder_layerdrop",
        "decoder_layerdrop");
    ConfigDefaults.divisible(json, "d_model", "encoder_attention_heads");
    ConfigDefaults.divisible(json, "d_model", "decoder_attention_heads");
    ConfigDefaults.padding(json);
    if (json.getBoolean("is_decoder", false)) {
      throw json.invalid(
          "is_decoder", "this version has BART with both of its stacks only: expected false.");
    }
  }

  /** Reads the settings; absent ones get transformers' defaults. */
  public static BartConfig of(ConfigJson json) {
    return new BartConfig(json, Optional.empty());
  }

  /** The defaults of transformers: the shape of bart-large. */
  public static BartConfigBuilder builder() {
    return new BartConfigBuilder(DEFAULTS.json());
  }

  @Override
  public BartConfig withNameOrPath(String name) {
    return new BartConfig(json, Optional.of(name));
  }

  @Override
  public String modelType() {
    return json.getString("model_type");
  }

  @Override
  public int vocabSize() {
    return json.getInt("vocab_size");
  }

  @Override
  public int hiddenSize() {
    return json.getInt("d_model");
  }

  /** Number of encoder layers. */
  @Override
  public int numHiddenLayers() {
    return json.getInt("encoder_layers");
  }

  @Override
  public int maxPositionEmbeddings() {
    return json.getInt("max_position_embeddings");
  }

  @Override
  public boolean tieWordEmbeddings() {
    return json.getBoolean("tie_word_embeddings", true);
  }

  @Override
  public double initialStd() {
    return json.getDouble("init_std");
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

  /** The token with which the decoder's input begins. */
  public OptionalLong decoderStartTokenId() {
    return json.findLong("decoder_start_token_id");
  }

  /** Number of layers of a stack. */
  int layers(boolean decoder) {
    return json.getInt(side(decoder) + "layers");
  }

  /** Inner size of the feed-forward blocks of a stack. */
  int ffnDim(boolean decoder) {
    return json.getInt(side(decoder) + "ffn_dim");
  }

  /** Number of attention heads of a stack; divides the hidden size. */
  int attentionHeads(boolean decoder) {
    return json.getInt(side(decoder) + "attention_heads");
  }

  /** Probability with which a layer of a stack is left out, while training. */
  double layerdrop(boolean decoder) {
    return json.getDouble(side(decoder) + "layerdrop");
  }

  private static String side(boolean decoder) {
    return decoder ? "decoder_" : "encoder_";
  }

  /** Name of the nonlinearity, such as "gelu". */
  public String activationFunction() {
    return json.getString("activation_function");
  }

  /** Dropout probability after the embeddings and each block, while training. */
  public double dropout() {
    return json.getDouble("dropout");
  }

  /** Dropout probability inside attention, while training. */
  public double attentionDropout() {
    return json.getDouble("attention_dropout");
  }

  /** Dropout probability inside the feed-forward blocks, while training. */
  public double activationDropout() {
    return json.getDouble("activation_dropout");
  }

  /** What token vectors are multiplied with: the root of their size, or 1. */
  public double embedScale() {
    return json.getBoolean("scale_embedding") ? Math.sqrt(hiddenSize()) : 1;
  }
}
