package org.peftjava.transformers.model.bert;

import java.util.Optional;
import org.peftjava.transformers.config.ConfigDefaults;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.EncoderConfig;
import org.peftjava.transformers.model.EncoderConfigBuilder;

/**
 * The configuration of a BERT model, with the names, meanings and defaults of transformers' {@code
 * BertConfig}.
 *
 * @param json every setting, with those that this library does not use
 * @param nameOrPath where the model came from
 */
public record BertConfig(ConfigJson json, Optional<String> nameOrPath) implements EncoderConfig {
  static final String MODEL_TYPE = "bert";

  private static final ConfigDefaults DEFAULTS =
      ConfigDefaults.parse(
          """
          {
            "model_type": "bert", "vocab_size": 30522, "hidden_size": 768,
            "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
            "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1, "max_position_embeddings": 512,
            "type_vocab_size": 2, "initializer_range": 0.02, "layer_norm_eps": 1e-12,
            "pad_token_id": 0, "bos_token_id": null, "eos_token_id": null, "use_cache": true,
            "classifier_dropout": null, "is_decoder": false, "add_cross_attention": false,
            "tie_word_embeddings": true
          }
          """);

  /** Checks the settings; absent ones get transformers' defaults. */
  public BertConfig {
    json = DEFAULTS.complete(json);
    EncoderConfig.check(json);
  }

  /** Reads the settings; absent ones get transformers' defaults. */
  public static BertConfig of(ConfigJson json) {
    return new BertConfig(json, Optional.empty());
  }

  /** The defaults of transformers: the shape of bert-base-uncased. */
  public static EncoderConfigBuilder<BertConfig> builder() {
    return new EncoderConfigBuilder<>(DEFAULTS.json(), BertConfig::of);
  }

  @Override
  public BertConfig withNameOrPath(String name) {
    return new BertConfig(json, Optional.of(name));
  }
}
