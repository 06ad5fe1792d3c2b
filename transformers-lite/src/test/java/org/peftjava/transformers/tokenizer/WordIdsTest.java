package org.peftjava.transformers.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.config.PythonJson;

/** Words and texts of tokens, of several kinds of tokenizers. */
class WordIdsTest {
  private static final Path FOLDER = Goldens.folder("tokenizer_kinds");
  private static final JsonNode INPUTS = json(FOLDER.resolve("texts.json"));

  private static JsonNode json(Path file) {
    return PythonJson.read(file, 1 << 22);
  }

  @TestFactory
  List<DynamicTest> wordIdsArePythons() {
    List<DynamicTest> tests = new ArrayList<>();
    json(Goldens.folder("word_ids.json"))
        .properties()
        .forEach(
            kind ->
                tests.add(
                    DynamicTest.dynamicTest(
                        kind.getKey(), () -> check(kind.getKey(), kind.getValue()))));
    assertEquals(10, tests.size());
    return tests;
  }

  private static void check(String kind, JsonNode expected) {
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(FOLDER.resolve(kind))) {
      for (int i = 0; i < INPUTS.path("texts").size(); i++) {
        String text = INPUTS.path("texts").get(i).asText();
        check(expected.path("texts").get(i), tokenizer.batchEncode(List.of(text), o -> {}), text);
      }
      for (int i = 0; i < INPUTS.path("pairs").size(); i++) {
        String first = INPUTS.path("pairs").get(i).path(0).asText();
        String second = INPUTS.path("pairs").get(i).path(1).asText();
        check(
            expected.path("pairs").get(i),
            tokenizer.batchEncode(List.of(first), List.of(second), o -> {}),
            first + "|" + second);
      }
    }
  }

  private static void check(JsonNode expected, BatchEncoding batch, String text) {
    assertArrayEquals(ints(expected.path("words")), batch.wordIds()[0], text);
    assertArrayEquals(ints(expected.path("sequences")), batch.sequenceIds()[0], text);
  }

  private static int[] ints(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToInt(JsonNode::asInt).toArray();
  }
}
