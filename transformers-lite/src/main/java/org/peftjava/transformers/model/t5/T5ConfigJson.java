package org.peftjava.transformers.model.t5;

import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.config.ConfigJson;

/** A {@link T5Config} in {@code config.json}, under Python's names. */
final class T5ConfigJson {
  private static final String SCALE = "scale_decoder_outputs";
  private static final String TIE = "tie_word_embeddings";

  private T5ConfigJson() {}

  static T5Config read(ConfigJson json, String modelType) {
    T5Config fallback = new T5ConfigBuilder(modelType).build();
    T5ConfigBuilder builder =
        new T5ConfigBuilder(modelType)
            .source(json)
            .vocabSize(json.getInt("vocab_size", fallback.vocabSize()))
            .dModel(json.getInt("d_model", fallback.dModel()))
            .dKv(json.getInt("d_kv", fallback.dKv()))
            .dFf(json.getInt("d_ff", fallback.dFf()))
            .numLayers(json.getInt("num_layers", fallback.numLayers()))
            .numHeads(json.getInt("num_heads", fallback.numHeads()))
            .relativeAttentionNumBuckets(
                json.getInt(
                    "relative_attention_num_buckets", fallback.relativeAttentionNumBuckets()))
            .relativeAttentionMaxDistance(
                json.getInt(
                    "relative_attention_max_distance", fallback.relativeAttentionMaxDistance()))
            .dropoutRate(json.getDouble("dropout_rate", fallback.dropoutRate()))
            .layerNormEpsilon(json.getDouble("layer_norm_epsilon", fallback.layerNormEpsilon()))
            .initializerFactor(json.getDouble("initializer_factor", fallback.initializerFactor()))
            .feedForwardProj(json.getString("feed_forward_proj", fallback.feedForwardProj()))
            .useCache(json.getBoolean("use_cache", true))
            .padTokenId(token(json, "pad_token_id", fallback.padTokenId()))
            .bosTokenId(token(json, "bos_token_id", fallback.bosTokenId()))
            .decoderStartTokenId(
                token(json, "decoder_start_token_id", fallback.decoderStartTokenId()))
            .scaleDecoderOutputs(scales(json, modelType));
    if (json.has("num_decoder_layers")) {
      builder.numDecoderLayers(json.getInt("num_decoder_layers"));
    }
    if (json.keys().contains("eos_token_id")) {
      builder.eosTokenId(
          json.getLongs("eos_token_id").stream().mapToLong(Long::longValue).toArray());
    }
    return builder.build();
  }

  /** Older files of version 1.1 say it by not tying the head; mT5 never scales. */
  private static boolean scales(ConfigJson json, String modelType) {
    return modelType.equals(T5Config.T5) && json.getBoolean(SCALE, json.getBoolean(TIE, true));
  }

  static ConfigJson write(T5Config config) {
    T5Activation activation = T5Activation.parse(config.feedForwardProj());
    ConfigJson json =
        config
            .source()
            .with("model_type", config.modelType())
            .with("vocab_size", config.vocabSize())
            .with("d_model", config.dModel())
            .with("d_kv", config.dKv())
            .with("d_ff", config.dFf())
            .with("num_layers", config.numLayers())
            .with("num_decoder_layers", config.numDecoderLayers())
            .with("num_heads", config.numHeads())
            .with("relative_attention_num_buckets", config.relativeAttentionNumBuckets())
            .with("relative_attention_max_distance", config.relativeAttentionMaxDistance())
            .with("dropout_rate", config.dropoutRate())
            .with("layer_norm_epsilon", config.layerNormEpsilon())
            .with("initializer_factor", config.initializerFactor())
            .with("feed_forward_proj", config.feedForwardProj())
            .with("dense_act_fn", activation.name())
            .with("is_gated_act", activation.gated())
            .with("is_encoder_decoder", config.source().getBoolean("is_encoder_decoder", true))
            .with("is_decoder", false)
            .with("classifier_dropout", config.source().getDouble("classifier_dropout", 0))
            .with("use_cache", config.useCache())
            .with("pad_token_id", nullable(config.padTokenId()))
            .with("eos_token_id", oneOrMany(config.eosTokenIds()))
            .with(TIE, true);
    json = withIfAny(json, "bos_token_id", config.bosTokenId());
    json = withIfAny(json, "decoder_start_token_id", config.decoderStartTokenId());
    return config.modelType().equals(T5Config.T5)
        ? json.with(SCALE, config.scaleDecoderOutputs())
        : json.with("bos_token_id", nullable(config.bosTokenId()));
  }

  private static ConfigJson withIfAny(ConfigJson json, String key, OptionalLong token) {
    return token.isPresent() || json.keys().contains(key) ? json.with(key, nullable(token)) : json;
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
