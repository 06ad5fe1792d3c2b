package org.peftjava.transformers.model.roberta;

import java.util.Optional;
import org.peftjava.transformers.config.ConfigDefaults;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.EncoderConfig;
import org.peftjava.transformers.model.EncoderConfigBuilder;

/**
 * The configuration of a RoBERTa model, with the names, meanings and defaults of transformers'
 * {@code RobertaConfig}, {@code XLMRobertaConfig} and {@code CamembertConfig}.
 *
 * @param json every setting, with those that this library does not use
 * @param nameOrPath where the model came from
 */
public record RobertaConfig(ConfigJson json, Optional<String> nameOrPath) implements EncoderConfig {
  static final String MODEL_TYPE = "roberta";
  static final String XLM_ROBERTA = "xlm-roberta";
  static final String CAMEMBERT = "camembert";

  private static final ConfigDefaults DEFAULTS =
      ConfigDefaults.parse(
          """
          {
            "model_type": "roberta", "vocab_size": 50265, "hidden_size": 768,
            "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
            "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1, "max_position_embeddings": 512,
            "type_vocab_size": 2, "initializer_range": 0.02, "layer_norm_eps": 1e-12,
            "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "use_cache": true,
            "classifier_dropout": null, "is_decoder": false, "add_cross_attention": false,
            "tie_word_embeddings": true
          }
          """);

  /** The vocabulary of models with another name, unless their files say otherwise. */
  private static final int OTHER_VOCABULARY = 30522;

  /** Checks the settings; absent ones get transformers' defaults. */
  public RobertaConfig {
    boolean plain = json.getString("model_type", MODEL_TYPE).equals(MODEL_TYPE);
    if (!plain && !json.has("vocab_size")) {
      json = json.with("vocab_size", OTHER_VOCABULARY);
    }
    json = DEFAULTS.complete(json);
    EncoderConfig.check(json);
    if (padding(json) + 1 >= json.getInt("max_position_embeddings")) {
      throw new IllegalArgumentException(
          "max_position_embeddings is "
              + json.getInt("max_position_embeddings")
              + ". Expected more than pad_token_id + 1, where positions begin.");
    }
  }

  /** Reads the settings; absent ones get transformers' defaults. */
  public static RobertaConfig of(ConfigJson json) {
    return new RobertaConfig(json, Optional.empty());
  }

  /** The defaults of transformers: the shape of roberta-base, but for two positions. */
  public static EncoderConfigBuilder<RobertaConfig> builder() {
    return new EncoderConfigBuilder<>(DEFAULTS.json(), RobertaConfig::of);
  }

  @Override
  public RobertaConfig withNameOrPath(String name) {
    return new RobertaConfig(json, Optional.of(name));
  }

  /** The longest sequence: positions are counted from the padding token's id on. */
  @Override
  public int maxPositionEmbeddings() {
    return json.getInt("max_position_embeddings") - padding(json) - 1;
  }

  /** The padding token, on which positions rest. */
  int paddingIdx() {
    return padding(json);
  }

  private static int padding(ConfigJson json) {
    if (!json.has("pad_token_id")) {
      throw new IllegalArgumentException(
          "pad_token_id is null, but RoBERTa counts positions from it. Set it, usually to 1.");
    }
    return json.getInt("pad_token_id");
  }
}
