package org.peftjava.transformers.model.opt;

import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.config.ConfigJson;

/** Reads and writes an {@link OptConfig} under Python's names. */
final class OptConfigJson {
  private OptConfigJson() {}

  static OptConfig read(ConfigJson json) {
    OptConfig fallback = new OptConfigBuilder().build();
    OptConfigBuilder builder =
        new OptConfigBuilder()
            .source(json)
            .vocabSize(json.getInt("vocab_size", fallback.vocabSize()))
            .hiddenSize(json.getInt("hidden_size", fallback.hiddenSize()))
            .numHiddenLayers(json.getInt("num_hidden_layers", fallback.numHiddenLayers()))
            .ffnDim(json.getInt("ffn_dim", fallback.ffnDim()))
            .maxPositionEmbeddings(
                json.getInt("max_position_embeddings", fallback.maxPositionEmbeddings()))
            .doLayerNormBefore(json.getBoolean("do_layer_norm_before", true))
            .removeFinalLayerNorm(json.getBoolean("_remove_final_layer_norm", false))
            .dropout(json.getDouble("dropout", fallback.dropout()))
            .attentionDropout(json.getDouble("attention_dropout", fallback.attentionDropout()))
            .numAttentionHeads(json.getInt("num_attention_heads", fallback.numAttentionHeads()))
            .activationFunction(
                json.getString("activation_function", fallback.activationFunction()))
            .layerdrop(json.getDouble("layerdrop", fallback.layerdrop()))
            .initStd(json.getDouble("init_std", fallback.initStd()))
            .useCache(json.getBoolean("use_cache", true))
            .padTokenId(token(json, "pad_token_id", fallback.padTokenId()))
            .bosTokenId(token(json, "bos_token_id", fallback.bosTokenId()))
            .enableBias(json.getBoolean("enable_bias", true))
            .layerNormElementwiseAffine(json.getBoolean("layer_norm_elementwise_affine", true))
            .tieWordEmbeddings(json.getBoolean("tie_word_embeddings", true));
    if (json.keys().contains("eos_token_id")) {
      builder.eosTokenId(
          json.getLongs("eos_token_id").stream().mapToLong(Long::longValue).toArray());
    }
    if (json.has("word_embed_proj_dim")) {
      builder.wordEmbedProjDim(json.getInt("word_embed_proj_dim"));
    }
    return builder.build();
  }

  static ConfigJson write(OptConfig config) {
    return config
        .source()
        .with("model_type", OptConfig.MODEL_TYPE)
        .with("vocab_size", config.vocabSize())
        .with("hidden_size", config.hiddenSize())
        .with("num_hidden_layers", config.numHiddenLayers())
        .with("ffn_dim", config.ffnDim())
        .with("max_position_embeddings", config.maxPositionEmbeddings())
        .with("do_layer_norm_before", config.doLayerNormBefore())
        .with("_remove_final_layer_norm", config.removeFinalLayerNorm())
        .with("word_embed_proj_dim", config.wordEmbedProjDim())
        .with("dropout", config.dropout())
        .with("attention_dropout", config.attentionDropout())
        .with("num_attention_heads", config.numAttentionHeads())
        .with("activation_function", config.activationFunction())
        .with("layerdrop", config.layerdrop())
        .with("init_std", config.initStd())
        .with("use_cache", config.useCache())
        .with("pad_token_id", nullable(config.padTokenId()))
        .with("bos_token_id", nullable(config.bosTokenId()))
        .with("eos_token_id", oneOrMany(config.eosTokenIds()))
        .with("enable_bias", config.enableBias())
        .with("layer_norm_elementwise_affine", config.layerNormElementwiseAffine())
        .with("tie_word_embeddings", config.tieWordEmbeddings());
  }

  /** An absent key means the default; null means that there is no such token. */
  private static OptionalLong token(ConfigJson json, String key, OptionalLong fallback) {
    return json.keys().contains(key) ? json.findLong(key) : fallback;
  }

  private static @Nullable Long nullable(OptionalLong value) {
    return value.isPresent() ? value.getAsLong() : null;
  }

  private static @Nullable Object oneOrMany(List<Long> values) {
    return switch (values.size()) {
      case 0 -> null;
      case 1 -> values.get(0);
      default -> values;
    };
  }
}
