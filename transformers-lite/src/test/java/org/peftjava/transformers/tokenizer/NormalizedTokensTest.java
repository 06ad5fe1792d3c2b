package org.peftjava.transformers.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.config.PythonJson;

/** Added tokens that are looked for in the text as the normalizer leaves it. */
class NormalizedTokensTest {
  @TempDir Path folder;

  /** Tokenizers from every kind of files, and each flag. */
  @Test
  void areFoundWherePythonFindsThem() {
    JsonNode rows = PythonJson.read(Goldens.folder("normalized_tokens.json"), 1 << 22);
    assertTrue(rows.size() > 40);
    for (JsonNode row : rows) {
      List<AddedToken> tokens = new ArrayList<>();
      for (JsonNode token : row.get("tokens")) {
        tokens.add(
            new AddedToken(
                token.get("content").asText(),
                token.get("single_word").asBoolean(),
                token.get("lstrip").asBoolean(),
                token.get("rstrip").asBoolean(),
                token.get("normalized").asBoolean(),
                token.get("special").asBoolean()));
      }
      try (Tokenizer tokenizer = open(row.get("kind").asText())) {
        assertEquals(row.get("added").asInt(), tokenizer.addTokens(tokens));
        assertEquals(row.get("length").asInt(), tokenizer.length());
        for (Map.Entry<String, JsonNode> text : row.get("texts").properties()) {
          assertArrayEquals(
              StreamSupport.stream(text.getValue().spliterator(), false)
                  .mapToLong(JsonNode::asLong)
                  .toArray(),
              tokenizer.encodeIds(text.getKey()),
              () -> row.get("kind") + " '" + text.getKey() + "' with " + tokens);
        }
      }
    }
  }

  /** Of a space or an accent nothing is left; the library would find it between all bytes. */
  @ParameterizedTest
  @CsvSource({"deberta,' '", "deberta_lower,'  '", "xlm,' '", "bert,\u0301", "bert,\u200b"})
  void thoseThatVanishAreRefused(String kind, String content) throws IOException {
    String problem = "is looked for in normalized texts, but the normalizer leaves nothing of it";
    AddedToken vanishing = new AddedToken(content, true, false, true, true, false);
    try (Tokenizer tokenizer = open(kind)) {
      int length = tokenizer.length();
      String message =
          assertThrows(
                  IllegalArgumentException.class, () -> tokenizer.addTokens(List.of(vanishing)))
              .getMessage();
      assertTrue(message.contains(problem), message);
      assertEquals(length, tokenizer.length());
      assertTrue(tokenizer.encodeIds("the weight \u4f60\u597d \u00e9").length > 2);
      assertEquals(
          1,
          tokenizer.addTokens(List.of(new AddedToken(content, true, false, true, false, false))));
      assertTrue(tokenizer.encodeIds("the weight \u4f60\u597d \u00e9" + content).length > 2);
      tokenizer.savePretrained(folder);
    }
    Path file = folder.resolve("tokenizer.json");
    ObjectNode json = (ObjectNode) PythonJson.read(file, 1 << 22);
    for (JsonNode token : json.get("added_tokens")) {
      ((ObjectNode) token).put("normalized", true);
    }
    Files.write(file, json.toString().getBytes(StandardCharsets.UTF_8));
    String message =
        assertThrows(IllegalArgumentException.class, () -> AutoTokenizer.fromPretrained(folder))
            .getMessage();
    assertTrue(message.startsWith("The tokenizer in ") && message.contains(problem), message);
  }

  private static Tokenizer open(String kind) {
    return AutoTokenizer.fromPretrained(Goldens.folder("tokenizer_kinds").resolve(kind));
  }
}
