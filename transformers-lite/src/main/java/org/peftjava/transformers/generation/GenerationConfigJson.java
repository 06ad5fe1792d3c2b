package org.peftjava.transformers.generation;

import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.config.ConfigJson;

/** Reads and writes a {@link GenerationConfig} under Python's names. */
final class GenerationConfigJson {
  private GenerationConfigJson() {}

  static GenerationConfig read(ConfigJson json) {
    GenerationConfig.Builder builder =
        GenerationConfig.builder()
            .source(json)
            .minNewTokens(json.getInt("min_new_tokens", 0))
            .doSample(json.getBoolean("do_sample", false))
            .temperature(json.getDouble("temperature", 1))
            .topK(json.getInt("top_k", 50))
            .topP(json.getDouble("top_p", 1))
            .minP(json.getDouble("min_p", 0))
            .repetitionPenalty(json.getDouble("repetition_penalty", 1))
            .eosTokenId(json.getLongs("eos_token_id").stream().mapToLong(id -> id).toArray())
            .useCache(json.getBoolean("use_cache", true));
    json.findLong("pad_token_id").ifPresent(builder::padTokenId);
    if (json.has("max_new_tokens")) {
      builder.maxNewTokens(json.getInt("max_new_tokens"));
    }
    if (json.has("max_length")) {
      builder.maxLength(json.getInt("max_length"));
    }
    return builder.build();
  }

  /** What was read, with the settings that have changed since. */
  static ConfigJson write(GenerationConfig config) {
    GenerationConfig read = read(config.source());
    ConfigJson json = config.source();
    json =
        changed(json, "max_new_tokens", boxed(config.maxNewTokens()), boxed(read.maxNewTokens()));
    json = changed(json, "max_length", boxed(config.maxLength()), boxed(read.maxLength()));
    json = changed(json, "min_new_tokens", config.minNewTokens(), read.minNewTokens());
    json = changed(json, "do_sample", config.doSample(), read.doSample());
    json = changed(json, "temperature", config.temperature(), read.temperature());
    json = changed(json, "top_k", config.topK(), read.topK());
    json = changed(json, "top_p", config.topP(), read.topP());
    json = changed(json, "min_p", config.minP(), read.minP());
    json =
        changed(json, "repetition_penalty", config.repetitionPenalty(), read.repetitionPenalty());
    json = changed(json, "eos_token_id", config.eosTokenIds(), read.eosTokenIds());
    json = changed(json, "pad_token_id", boxed(config.padTokenId()), boxed(read.padTokenId()));
    return changed(json, "use_cache", config.useCache(), read.useCache());
  }

  private static ConfigJson changed(ConfigJson json, String key, Object now, Object before) {
    return now.equals(before) ? json : json.with(key, oneOrMany(now)).without("_from_model_config");
  }

  private static @Nullable Object oneOrMany(Object value) {
    if (value instanceof List<?> list && list.size() < 2) {
      return list.isEmpty() ? null : list.get(0);
    }
    return value;
  }

  private static List<Long> boxed(OptionalLong value) {
    return value.isPresent() ? List.of(value.getAsLong()) : List.of();
  }

  private static List<Integer> boxed(OptionalInt value) {
    return value.isPresent() ? List.of(value.getAsInt()) : List.of();
  }
}
