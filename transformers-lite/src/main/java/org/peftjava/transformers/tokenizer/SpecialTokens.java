package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.peftjava.transformers.config.ConfigJson;

/**
 * The special tokens that a tokenizer's config names.
 *
 * @param decoder what {@code added_tokens_decoder} lists, by id; not all of it is special
 * @param named those with a role, by the name of the role such as {@code bos_token}
 * @param extra further ones: {@code extra_special_tokens}, {@code additional_special_tokens}
 */
record SpecialTokens(
    Map<Integer, AddedToken> decoder, Map<String, AddedToken> named, List<AddedToken> extra) {
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

  static final String DECODER = "added_tokens_decoder";
  static final String EXTRA = "extra_special_tokens";
  static final String OLD_EXTRA = "additional_special_tokens";

  static SpecialTokens of(ConfigJson config) {
    Map<Integer, AddedToken> decoder = decoder(config);
    Map<String, AddedToken> byText = new LinkedHashMap<>();
    decoder.values().forEach(token -> byText.put(token.content(), token));
    Map<String, AddedToken> named = new LinkedHashMap<>();
    for (String role : ROLES) {
      config
          .node(role)
          .ifPresent(
              node -> {
                AddedToken token = token(config, role, node, true);
                AddedToken known = byText.getOrDefault(token.content(), token);
                named.put(role, known.asSpecial());
              });
    }
    List<AddedToken> extra = new ArrayList<>();
    String key = config.keys().contains(EXTRA) ? EXTRA : OLD_EXTRA;
    Optional<JsonNode> list = config.node(key);
    if (list.isPresent()) { // a list of tokens, or an object {name: token}
      if (!list.get().isContainerNode()) {
        throw config.invalid(key, "expected a list of tokens.");
      }
      list.get().forEach(node -> extra.add(token(config, key, node, true)));
    }
    return new SpecialTokens(decoder, named, List.copyOf(extra));
  }

  private static Map<Integer, AddedToken> decoder(ConfigJson config) {
    Map<Integer, AddedToken> decoder = new TreeMap<>();
    Optional<ConfigJson> entries = config.findObject(DECODER);
    if (entries.isPresent()) {
      for (String key : entries.get().keys()) {
        int id;
        try {
          id = Integer.parseInt(key);
        } catch (NumberFormatException e) {
          throw config.invalid(DECODER, "expected whole numbers as its keys, not " + key + ".");
        }
        JsonNode node = entries.get().node(key).orElseThrow();
        decoder.put(id, token(config, DECODER, node, false));
      }
    }
    return decoder;
  }

  /** All of them; where two say different things about one text, the later one is right. */
  List<AddedToken> all() {
    Map<String, AddedToken> all = new LinkedHashMap<>();
    Set<String> withRole = new HashSet<>();
    named.values().forEach(token -> withRole.add(token.content()));
    for (AddedToken token : decoder.values()) {
      all.put(token.content(), withRole.contains(token.content()) ? token.asSpecial() : token);
    }
    List<AddedToken> others = new ArrayList<>(named.values());
    others.addAll(extra);
    others.removeIf(token -> all.containsKey(token.content()));
    others.forEach(token -> all.put(token.content(), token));
    return List.copyOf(all.values());
  }

  /** The texts by their roles. */
  Map<String, String> byRole() {
    Map<String, String> map = new LinkedHashMap<>();
    named.forEach((role, token) -> map.put(role, token.content()));
    return map;
  }

  /** The texts of those with roles and of the further ones, each once. */
  List<String> texts() {
    List<AddedToken> tokens = new ArrayList<>(named.values());
    tokens.addAll(extra);
    return tokens.stream().map(AddedToken::content).distinct().toList();
  }

  /** The text of a token by its role; empty if there is none. */
  String content(String role) {
    AddedToken token = named.get(role);
    return token == null ? "" : token.content();
  }

  /** The config as Python saves it beside a tokenizer.json: tokens as plain text. */
  static ConfigJson plain(ConfigJson config) {
    SpecialTokens tokens = of(config);
    ConfigJson result = config.without(DECODER).without(OLD_EXTRA);
    for (Map.Entry<String, AddedToken> token : tokens.named().entrySet()) {
      result = result.with(token.getKey(), token.getValue().content());
    }
    if (!tokens.extra().isEmpty() && !config.node(EXTRA).map(JsonNode::isObject).orElse(false)) {
      result = result.with(EXTRA, tokens.extra().stream().map(AddedToken::content).toList());
    }
    return result;
  }

  private static AddedToken token(ConfigJson config, String key, JsonNode node, boolean special) {
    JsonNode content = node.isObject() ? node.path("content") : node;
    if (!content.isTextual() || content.textValue().isEmpty()) {
      throw config.invalid(key, "expected a token as text or as {\"content\": text, ...}.");
    }
    boolean isSpecial = node.path("special").asBoolean(special);
    return new AddedToken(
        content.textValue(),
        node.path("single_word").asBoolean(false),
        node.path("lstrip").asBoolean(false),
        node.path("rstrip").asBoolean(false),
        node.path("normalized").asBoolean(!isSpecial),
        isSpecial);
  }
}
