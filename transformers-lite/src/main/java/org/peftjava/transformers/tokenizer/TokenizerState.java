package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.peftjava.transformers.checkpoint.FileBatch;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PythonJson;

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

  /** What a folder holds, with the changes that are asked for. */
  static TokenizerState of(TokenizerFiles files, TokenizerOptions options, Path folder) {
    ConfigJson config = files.config();
    if (options.padToken().isPresent()) {
      String token = options.padToken().get();
      if (Vocabulary.of(files.tokenizerJson(), folder).id(token).isEmpty()) {
        throw new IllegalArgumentException(
            "The padding token \""
                + token
                + "\" is not in the vocabulary of "
                + folder
                + ". Choose one that is, such as the end token.");
      }
      config = config.with("pad_token", token);
    }
    if (options.paddingSide().isPresent()) {
      config = config.with("padding_side", options.paddingSide().get().pythonName());
    }
    if (options.truncationSide().isPresent()) {
      config = config.with("truncation_side", options.truncationSide().get().pythonName());
    }
    if (options.modelMaxLength().isPresent()) {
      config = config.with("model_max_length", options.modelMaxLength().getAsInt());
    }
    if (options.addPrefixSpace().isPresent()) {
      config = config.with(PrefixSpace.KEY, options.addPrefixSpace().get());
      PrefixSpace.require(files.tokenizerJson(), files.kind(), folder);
    }
    PrefixSpace.apply(files.tokenizerJson(), config, files.kind());
    return of(files.tokenizerJson(), config, files.kind(), folder);
  }

  /** Adds the files that Python reads to a batch. */
  void save(FileBatch batch) {
    String text = PythonJson.write(json, false);
    batch.write(TokenizerFiles.TOKENIZER, text.getBytes(StandardCharsets.UTF_8));
    ConfigJson saved = SpecialTokens.plain(config);
    if (!saved.has("tokenizer_class")) {
      saved = saved.with("tokenizer_class", kind.pythonName());
    }
    Optional<JsonNode> template = config.node(ChatTemplateFiles.KEY);
    if (template.isPresent() && template.get().isTextual()) {
      byte[] bytes = template.get().textValue().getBytes(StandardCharsets.UTF_8);
      batch.write(ChatTemplateFiles.FILE, bytes);
      saved = saved.without(ChatTemplateFiles.KEY);
    } else {
      batch.delete(ChatTemplateFiles.FILE); // would overrule the config
    }
    batch.write(TokenizerFiles.CONFIG, saved.toBytes());
    batch.delete(TokenizerFiles.SPECIAL_TOKENS); // these two would overrule it as well
    batch.delete(TokenizerFiles.ADDED_TOKENS);
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

  /** What the class makes for models, or the config says: token_type_ids only of some. */
  List<String> modelInputNames() {
    List<String> named = config.getStrings("model_input_names");
    if (!named.isEmpty()) {
      return named;
    }
    return switch (kind) {
      case BERT -> List.of("input_ids", "token_type_ids", "attention_mask");
      case DEBERTA_V2 -> List.of("input_ids", "attention_mask", "token_type_ids");
      default -> List.of("input_ids", "attention_mask");
    };
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
