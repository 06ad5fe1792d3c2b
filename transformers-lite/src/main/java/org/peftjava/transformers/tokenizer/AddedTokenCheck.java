package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.Set;

/**
 * Finds added tokens that are looked for in the normalized text, but of which the normalizer leaves
 * nothing: the native library would find them everywhere, also between the bytes of a character,
 * which stops the program.
 */
final class AddedTokenCheck {
  private AddedTokenCheck() {}

  /** What is wrong with the {@code added_tokens} of a {@code tokenizer.json}, if anything. */
  private static Optional<String> problem(ObjectNode json) {
    JsonNode normalizer = json.path("normalizer");
    Set<String> contents = new LinkedHashSet<>();
    for (JsonNode token : json.path("added_tokens")) {
      String content = token.path("content").asText();
      if (token.path("normalized").asBoolean(true) && !content.isEmpty()) {
        contents.add(content);
      }
    }
    if (!normalizer.isObject() || contents.isEmpty()) {
      return Optional.empty();
    }
    try (NativeTokenizer normalizing = new NativeTokenizer(onlyNormalizing(normalizer))) {
      return contents.stream()
          .filter(content -> normalizing.tokens(content, false).length == 0)
          .findFirst()
          .map(
              content ->
                  "the added token \""
                      + content
                      + "\" is looked for in normalized texts, but the normalizer leaves nothing of"
                      + " it; expected another text, or normalized = false");
    }
  }

  /** Fails if there is a problem. */
  static void check(ObjectNode json) {
    problem(json)
        .ifPresent(
            problem -> {
              throw new IllegalArgumentException(problem);
            });
  }

  /** What is left of a text becomes one unknown token, and nothing none. */
  private static String onlyNormalizing(JsonNode normalizer) {
    ObjectNode json = JsonNodeFactory.instance.objectNode().put("version", "1.0");
    json.putNull("truncation").putNull("padding").putArray("added_tokens");
    json.set("normalizer", normalizer);
    json.putNull("pre_tokenizer").putNull("post_processor").putNull("decoder");
    ObjectNode model = json.putObject("model").put("type", "WordLevel").put("unk_token", "[UNK]");
    model.putObject("vocab").put("[UNK]", 0);
    return json.toString();
  }
}
