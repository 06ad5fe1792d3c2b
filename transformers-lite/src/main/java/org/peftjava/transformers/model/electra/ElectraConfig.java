package org.peftjava.transformers.model.electra;

import java.util.Optional;
import org.peftjava.transformers.config.ConfigDefaults;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.EncoderConfig;
import org.peftjava.transformers.model.EncoderConfigBuilder;

/**
 * The configuration of an ELECTRA model, with the names, meanings and defaults of transformers'
 * {@code ElectraConfig}.
 *
 * @param json every setting, with those that this library does not use
 * @param nameOrPath where the model came from
 */
public record ElectraConfig(ConfigJson json, Optional<String> nameOrPath) implements EncoderConfig {
  static final String MODEL_TYPE = "electra";

  private static final ConfigDefaults DEFAULTS =
      ConfigDefaults.parse(
          """
          {
            "model_type": "electra", "vocab_size": 30522, "embedding_size": 128,
            "hidden_size": 256, "num_hidden_layers": 12, "num_attention_heads": 4,
            "intermediate_size": 1024, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1, "max_position_embeddings": 512,
            "type_vocab_size": 2, "initializer_range": 0.02, "layer_norm_eps": 1e-12,
            "summary_type": "first", "summary_use_proj": true, "summary_activation": "gelu",
            "summary_last_dropout": 0.1, "pad_token_id": 0, "bos_token_id": null,
            "eos_token_id": null, "use_cache": true, "classifier_dropout": null,
            "is_decoder": false, "add_cross_attention": false, "tie_word_embeddings": true
          }
          """);

  /** Checks the settings; absent ones get transformers' defaults. */
  public ElectraConfig {
    json = DEFAULTS.complete(json);
    EncoderConfig.check(json);
    ConfigDefaults.positive(json, "embedding_size");
  }

  /** Reads the settings; absent ones get transformers' defaults. */
  public static ElectraConfig of(ConfigJson json) {
    return new ElectraConfig(json, Optional.empty());
  }

  /** The defaults of transformers: the shape of electra-small-discriminator. */
  public static EncoderConfigBuilder<ElectraConfig> builder() {
    return new EncoderConfigBuilder<>(DEFAULTS.json(), ElectraConfig::of);
  }

  @Override
  public ElectraConfig withNameOrPath(String name) {
    return new ElectraConfig(json, Optional.of(name));
  }

  @Override
  public int embeddingSize() {
    return json.getInt("embedding_size");
  }
}
