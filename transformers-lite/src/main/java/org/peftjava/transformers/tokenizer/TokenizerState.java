package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import org.peftjava.transformers.config.ConfigJson;

/**
 * What a tokenizer knows; never changed, but replaced when tokens are added.
 *
 * @param json {@code tokenizer.json}
 * @param config {@code tokenizer_config.json}
 * @param kind the Python class
 */
record TokenizerState(
    ObjectNode json,
    ConfigJson config,
    TokenizerClass kind,
    Vocabulary vocabulary,
    SpecialTokens specialTokens) {
  private static final long PYTHONS_NO_LIMIT = 1L << 30;

  static TokenizerState of(ObjectNode json, ConfigJson config, TokenizerClass kind, Path folder) {
    TokenizerState state =
        new TokenizerState(
            json, config, kind, Vocabulary.of(json, folder), SpecialTokens.of(config));
    state.paddingSide();
    state.truncationSide();
    return state;
  }

  /** With further tokens, and with some of them in roles. */
  TokenizerState with(List<AddedToken> tokens, Map<String, String> roles, Path folder) {
    ObjectNode copy = json.deepCopy();
    AddedTokenList.add(copy, vocabulary, tokens);
    ConfigJson changed = config;
    for (Map.Entry<String, String> role : roles.entrySet()) {
      changed = changed.with(role.getKey(), role.getValue());
    }
    return of(copy, changed, kind, folder);
  }

  Side paddingSide() {
    return side("padding_side", kind.paddingSide());
  }

  Side truncationSide() {
    return side("truncation_side", Side.RIGHT);
  }

  OptionalInt modelMaxLength() {
    return config
        .node("model_max_length")
        .filter(node -> node.isNumber() && node.doubleValue() < PYTHONS_NO_LIMIT)
        .map(node -> OptionalInt.of(node.intValue()))
        .orElse(OptionalInt.empty());
  }

  /** Whether decoding joins punctuation to words; never for BPE, as in Python. */
  boolean cleansUp(boolean wanted) {
    String forced = "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output";
    boolean isBpe = json.path("model").path("type").asText().equals("BPE");
    return wanted && (!isBpe || config.getBoolean(forced, false));
  }

  boolean cleansUpByDefault() {
    return config.getBoolean("clean_up_tokenization_spaces", false);
  }

  private Side side(String key, Side fallback) {
    String name = config.getString(key, fallback.pythonName());
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "left" -> Side.LEFT;
      case "right" -> Side.RIGHT;
      default -> throw config.invalid(key, "expected \"left\" or \"right\".");
    };
  }
}
