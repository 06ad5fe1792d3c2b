package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import org.peftjava.transformers.config.InvalidFileException;

/**
 * Refuses a {@code tokenizer.json} that would end the whole process: the native library checks most
 * of a file, but stops the program where it does not, when the file is used.
 */
final class TokenizerJsonCheck {
  private static final int MAX_DEPTH = 50;

  private final Path folder;

  private TokenizerJsonCheck(Path folder) {
    this.folder = folder;
  }

  static void check(ObjectNode json, Path folder) {
    TokenizerJsonCheck check = new TokenizerJsonCheck(folder);
    for (String part : new String[] {"normalizer", "pre_tokenizer", "post_processor", "decoder"}) {
      check.part(json.path(part), 0);
    }
    check.bpe(json.path("model"));
  }

  private void part(JsonNode part, int depth) {
    if (depth > MAX_DEPTH) {
      throw invalid("parts nested more than " + MAX_DEPTH + " deep; expected fewer.");
    }
    if (part.isArray()) {
      part.forEach(item -> part(item, depth + 1));
      return;
    }
    if (!part.isObject()) {
      return;
    }
    if (part.has("precompiled_charsmap") || part.path("type").asText().equals("Precompiled")) {
      charsmap(part.path("precompiled_charsmap"));
    }
    if (part.has("single") || part.has("pair")) {
      template(part);
    }
    if (part.path("type").asText().equals("FixedLength") && part.path("length").asLong() < 1) {
      throw invalid("a FixedLength of " + part.path("length") + "; expected at least 1.");
    }
    if (part.has("stop") && part.path("stop").asLong() != 0) {
      throw invalid("a Strip with the stop " + part.path("stop") + "; only 0 is supported.");
    }
    JsonNode regex = part.path("pattern").path("Regex");
    if (regex.isTextual()) {
      RegexCheck.problem(regex.textValue())
          .ifPresent(
              problem -> {
                throw invalid("the regular expression " + regex + ": " + problem + ".");
              });
    }
    part.forEach(item -> part(item, depth + 1));
  }

  private void charsmap(JsonNode charsmap) {
    if (!charsmap.isTextual()) {
      throw invalid("a precompiled_charsmap that is no text; expected base64.");
    }
    CharsmapCheck.problem(charsmap.textValue())
        .ifPresent(
            problem -> {
              throw invalid("a precompiled_charsmap that is damaged: " + problem + ".");
            });
  }

  /** Every token of a template is described, and a text of a pair stands only where one is. */
  private void template(JsonNode template) {
    JsonNode tokens = template.path("special_tokens");
    for (String key : new String[] {"single", "pair"}) {
      for (JsonNode step : template.path(key)) {
        String id = step.path("SpecialToken").path("id").asText();
        if (step.has("SpecialToken") && !tokens.has(id)) {
          throw invalid("a template with the token \"" + id + "\", which it does not describe.");
        }
        if (key.equals("single") && step.path("Sequence").path("id").asText().equals("B")) {
          throw invalid("a template that puts a second text where there is one.");
        }
      }
    }
    for (JsonNode token : tokens) {
      if (token.path("ids").size() != token.path("tokens").size()) {
        throw invalid("a template whose token " + token + " has not as many ids as texts.");
      }
    }
  }

  /** The second part of a merge begins with the prefix that is cut off it. */
  private void bpe(JsonNode model) {
    String prefix = model.path("continuing_subword_prefix").asText("");
    if (!model.has("merges") || prefix.isEmpty() || prefix.equals("null")) {
      return;
    }
    for (JsonNode merge : model.path("merges")) {
      String text = merge.isArray() ? merge.path(1).asText() : merge.asText();
      String second = merge.isArray() ? text : text.substring(text.indexOf(' ') + 1);
      if (!second.startsWith(prefix) || prefix.chars().anyMatch(c -> c > 0x7f)) {
        throw invalid(
            "the merge "
                + merge
                + ", whose second part does not begin with the prefix \""
                + prefix
                + "\".");
      }
    }
  }

  private InvalidFileException invalid(String problem) {
    return new InvalidFileException(
        folder.resolve(TokenizerFiles.TOKENIZER), "cannot be used: it has " + problem);
  }
}
