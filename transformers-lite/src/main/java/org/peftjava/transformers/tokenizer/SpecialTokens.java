package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.peftjava.transformers.config.ConfigJson;

/**
 * The special tokens that a tokenizer's config names.
 *
 * @param named those with a role, by the name of the role such as {@code bos_token}
 * @param all these and further ones, each once
 */
record SpecialTokens(Map<String, Entry> named, List<Entry> all) {
  /** The roles, in Python's order (SPECIAL_TOKENS_ATTRIBUTES). */
  static final List<String> ROLES =
      List.of(
          "bos_token",
          "eos_token",
          "unk_token",
          "sep_token",
          "pad_token",
          "cls_token",
          "mask_token");

  private static final List<String> EXTRA =
      List.of("extra_special_tokens", "additional_special_tokens");
  private static final String DECODER = "added_tokens_decoder";

  /**
   * A token with how it is found in text, Python's AddedToken. In a config it is a text or an
   * object with these fields.
   */
  record Entry(
      String content,
      boolean singleWord,
      boolean lstrip,
      boolean rstrip,
      boolean normalized,
      boolean special) {
    /** Its entry under {@code added_tokens} in {@code tokenizer.json}. */
    ObjectNode toJson(long id) {
      return JsonNodeFactory.instance
          .objectNode()
          .put("id", id)
          .put("content", content)
          .put("single_word", singleWord)
          .put("lstrip", lstrip)
          .put("rstrip", rstrip)
          .put("normalized", normalized)
          .put("special", special);
    }
  }

  static SpecialTokens of(ConfigJson config) {
    Map<String, Entry> all = new LinkedHashMap<>();
    config
        .findObject(DECODER)
        .ifPresent(
            decoder ->
                decoder
                    .toNode()
                    .forEach(
                        node -> {
                          Entry entry = entry(config, DECODER, node, false);
                          all.put(entry.content(), entry);
                        }));
    Map<String, Entry> named = new LinkedHashMap<>();
    for (String role : ROLES) {
      config
          .node(role)
          .ifPresent(
              node -> {
                Entry entry = entry(config, role, node, true);
                named.put(role, entry);
                all.putIfAbsent(entry.content(), entry);
              });
    }
    for (String key : EXTRA) {
      Optional<JsonNode> list = config.node(key);
      if (list.isPresent()) {
        for (JsonNode node : list.get()) {
          Entry entry = entry(config, key, node, true);
          all.putIfAbsent(entry.content(), entry);
        }
      }
    }
    return new SpecialTokens(named, List.copyOf(all.values()));
  }

  /** The config as Python saves it: tokens with a role as plain text. */
  static ConfigJson plain(ConfigJson config) {
    ConfigJson result = config;
    for (Map.Entry<String, Entry> token : of(config).named().entrySet()) {
      result = result.with(token.getKey(), token.getValue().content());
    }
    return result;
  }

  private static Entry entry(ConfigJson config, String key, JsonNode node, boolean special) {
    JsonNode content = node.isObject() ? node.path("content") : node;
    if (!content.isTextual()) {
      throw config.invalid(key, "expected a token as text or as {\"content\": text, ...}.");
    }
    boolean isSpecial = node.path("special").asBoolean(false) || special;
    return new Entry(
        content.textValue(),
        node.path("single_word").asBoolean(false),
        node.path("lstrip").asBoolean(false),
        node.path("rstrip").asBoolean(false),
        node.path("normalized").asBoolean(!isSpecial),
        isSpecial);
  }
}
