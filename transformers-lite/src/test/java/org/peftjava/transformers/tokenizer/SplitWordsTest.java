package org.peftjava.transformers.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.config.PythonJson;

/** Texts that are split into words, and the space in front of a text, beside transformers. */
class SplitWordsTest {
  private static final Path KINDS = Goldens.folder("tokenizer_kinds");
  private static final JsonNode GOLDEN =
      PythonJson.read(Goldens.folder("split_words.json"), 1 << 22);
  private static final String TEXT = "Hello world, don't";

  @TempDir Path folder;

  private static List<String> words(int list) {
    return texts(GOLDEN.path("words").get(list));
  }

  private static List<String> texts(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).map(JsonNode::asText).toList();
  }

  private static long[] longs(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToLong(JsonNode::asLong).toArray();
  }

  private static int[] ints(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToInt(JsonNode::asInt).toArray();
  }

  private static List<DynamicTest> each(String section, int count) {
    List<DynamicTest> tests = new ArrayList<>();
    GOLDEN
        .path(section)
        .properties()
        .forEach(
            kind ->
                tests.add(
                    DynamicTest.dynamicTest(
                        kind.getKey(), () -> check(section, kind.getKey(), kind.getValue()))));
    assertEquals(count, tests.size());
    return tests;
  }

  private static void check(String section, String kind, JsonNode rows) {
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(KINDS.resolve(kind))) {
      if (section.equals("windows")) {
        BatchEncoding batch =
            tokenizer.batchEncode(
                words(0),
                o ->
                    o.isSplitIntoWords(true)
                        .truncation(true)
                        .maxLength(9)
                        .stride(2)
                        .returnOverflowingTokens(true)
                        .padding(EncodeOptions.Padding.DO_NOT_PAD));
        assertEquals(rows.size(), batch.size());
        assertArrayEquals(new int[rows.size()], batch.overflowToSampleMapping());
        for (int i = 0; i < rows.size(); i++) {
          assertArrayEquals(longs(rows.get(i).path("ids")), batch.inputIds()[i]);
          assertArrayEquals(ints(rows.get(i).path("words")), batch.wordIds()[i]);
        }
        return;
      }
      for (int list = 0; list < rows.size(); list++) {
        JsonNode row = rows.get(list);
        BatchEncoding batch = tokenizer.batchEncode(words(list), o -> o.isSplitIntoWords(true));
        assertEquals(1, batch.size());
        assertArrayEquals(longs(row.path("ids")), batch.inputIds()[0]);
        assertArrayEquals(ints(row.path("words")), batch.wordIds()[0]);
        int[][] offsets = chars(row.path("offsets"), batch.wordIds()[0], words(list));
        assertArrayEquals(offsets, batch.offsetMapping()[0]);
        assertArrayEquals(
            batch.inputIds()[0],
            tokenizer.encode(words(list), o -> o.isSplitIntoWords(true)).inputIds()[0]);
      }
    }
  }

  /** Python counts code points, Java chars. */
  private static int[][] chars(JsonNode offsets, int[] wordIds, List<String> words) {
    int[][] result = new int[offsets.size()][2];
    for (int i = 0; i < result.length; i++) {
      for (int end = 0; end < 2; end++) {
        int points = offsets.get(i).get(end).asInt();
        result[i][end] =
            wordIds[i] < 0 ? points : words.get(wordIds[i]).offsetByCodePoints(0, points);
      }
    }
    return result;
  }

  @TestFactory
  List<DynamicTest> wordsBecomeOneRow() {
    return each("kinds", 9);
  }

  @TestFactory
  List<DynamicTest> wordsAreCutIntoWindows() {
    return each("windows", 9);
  }

  @TestFactory
  List<DynamicTest> aSpaceStandsInFrontOfTheText() {
    List<DynamicTest> tests = new ArrayList<>();
    GOLDEN
        .path("prefixed")
        .properties()
        .forEach(
            kind ->
                tests.add(
                    DynamicTest.dynamicTest(
                        kind.getKey(), () -> checkSpace(kind.getKey(), kind.getValue()))));
    assertEquals(3, tests.size());
    return tests;
  }

  /**
   * Asked for when loading, after saving, and by tokenizer_config.json beside a file without it.
   */
  private void checkSpace(String kind, JsonNode expected) throws IOException {
    Path saved = folder.resolve(kind);
    Path plain = folder.resolve(kind + "-plain");
    try (Tokenizer tokenizer =
        AutoTokenizer.fromPretrained(KINDS.resolve(kind), o -> o.addPrefixSpace(true))) {
      assertArrayEquals(longs(expected.path("config")), tokenizer.encodeIds(TEXT));
      tokenizer.savePretrained(saved);
    }
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(saved)) {
      assertArrayEquals(longs(expected.path("config")), tokenizer.encodeIds(TEXT));
    }
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(KINDS.resolve(kind))) {
      assertArrayEquals(longs(expected.path("without")), tokenizer.encodeIds(TEXT));
      tokenizer.savePretrained(plain);
    }
    Path file = plain.resolve("tokenizer_config.json");
    ObjectNode config = (ObjectNode) PythonJson.read(file, 1 << 20);
    Files.writeString(file, config.put("add_prefix_space", true).toString());
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(plain)) {
      assertArrayEquals(longs(expected.path("file")), tokenizer.encodeIds(TEXT));
    }
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(saved, o -> o.addPrefixSpace(false))) {
      assertArrayEquals(longs(expected.path("without")), tokenizer.encodeIds(TEXT));
    }
  }

  @Test
  void whatCannotBeIsRefused() {
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(KINDS.resolve("bert"))) {
      assertRefused(
          "isSplitIntoWords needs a list of words",
          () -> tokenizer.encodeIds("a b", o -> o.isSplitIntoWords(true)));
      assertRefused(
          "there are second ones",
          () -> tokenizer.batchEncode(words(0), words(0), o -> o.isSplitIntoWords(true)));
      BatchEncoding nothing = tokenizer.batchEncode(List.of(), o -> o.isSplitIntoWords(true));
      assertArrayEquals(new int[][] {{-1, -1}}, nothing.wordIds());
    }
    assertRefused(
        "addPrefixSpace is for tokenizers over bytes",
        () -> AutoTokenizer.fromPretrained(KINDS.resolve("bert"), o -> o.addPrefixSpace(true)));
  }

  @Test
  void answersAreCutOffAndDecoded() {
    TokenIds ids = new TokenIds(new long[][] {{5, 6, 7}, {8}});
    assertEquals(new TokenIds(new long[][] {{7}, {}}), ids.from(2));
    assertEquals(ids, ids.from(0));
    assertRefused("start is -1", () -> ids.from(-1));
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(KINDS.resolve("bert"))) {
      long[] row = tokenizer.encodeIds("hello");
      assertEquals(tokenizer.decode(row, false), tokenizer.decode(row));
      assertTrue(tokenizer.decode(row).contains("[CLS]"), tokenizer.decode(row));
      assertEquals(
          List.of(tokenizer.decode(row, true)),
          tokenizer.batchDecode(new long[][] {row}, o -> o.skipSpecialTokens(true)));
    }
  }

  private static void assertRefused(String why, Runnable call) {
    var error = assertThrows(IllegalArgumentException.class, call::run);
    assertTrue(error.getMessage().contains(why), error.getMessage());
  }
}
