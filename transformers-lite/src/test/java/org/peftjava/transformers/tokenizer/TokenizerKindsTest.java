package org.peftjava.transformers.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.config.PythonJson;

/** Every kind of tokenizer files gives what transformers makes of them. */
class TokenizerKindsTest {
  private static final Path FOLDER = Goldens.folder("tokenizer_kinds");
  private static final JsonNode INPUTS = json(FOLDER.resolve("texts.json"));

  @TempDir Path folder;

  static Stream<String> kinds() throws IOException {
    try (Stream<Path> folders = Files.list(FOLDER)) {
      return folders
          .filter(Files::isDirectory)
          .map(path -> path.getFileName().toString())
          .sorted()
          .toList()
          .stream();
    }
  }

  static Stream<String> builtKinds() throws IOException {
    return kinds().filter(kind -> Files.exists(FOLDER.resolve(kind).resolve("saved.json")));
  }

  @ParameterizedTest
  @MethodSource("builtKinds")
  void buildsTheTokenizerJsonThatPythonBuilds(String kind) {
    JsonNode built = TokenizerFiles.read(FOLDER.resolve(kind)).tokenizerJson();
    JsonNode saved = json(FOLDER.resolve(kind).resolve("saved.json"));
    JsonNode again = PythonJson.parse(built.toString(), Path.of("built"));
    for (var entry : saved.properties()) {
      if (!entry.getKey().equals("model")) {
        assertEquals(entry.getValue(), again.path(entry.getKey()), entry.getKey());
      }
    }
    for (var entry : saved.path("model").properties()) {
      JsonNode value = again.path("model").path(entry.getKey());
      assertEquals(entry.getValue().size(), value.size(), entry.getKey());
      assertSame(entry.getValue(), value, entry.getKey());
    }
    assertEquals(saved.size(), again.size());
    assertEquals(saved.path("model").size(), again.path("model").size());
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void encodesAndDecodesLikePython(String kind) {
    try (Tokenizer tokenizer = open(FOLDER.resolve(kind))) {
      check(tokenizer, expected(kind));
    }
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void savedTokenizersReadBack(String kind) throws IOException {
    Files.copy(FOLDER.resolve(kind).resolve("expected.json"), folder.resolve("expected.json"));
    try (Tokenizer tokenizer = open(FOLDER.resolve(kind))) {
      tokenizer.savePretrained(folder);
    }
    try (Tokenizer tokenizer = open(folder)) {
      check(tokenizer, expected(kind));
    }
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void cutsLikePython(String kind) {
    JsonNode expected = expected(kind);
    String first = INPUTS.path("long").path(0).asText();
    String second = INPUTS.path("long").path(1).asText();
    assertTrue(expected.path("truncated").size() > 8);
    try (Tokenizer tokenizer = open(FOLDER.resolve(kind))) {
      for (JsonNode row : expected.path("truncated")) {
        Side side = Side.valueOf(row.path("side").asText().toUpperCase(Locale.ROOT));
        boolean isPair = row.has("strategy");
        String strategy = row.path("strategy").asText("longest_first");
        BatchEncoding batch =
            tokenizer.batchEncode(
                List.of(first),
                isPair ? List.of(second) : List.of(),
                o ->
                    o.padding(EncodeOptions.Padding.DO_NOT_PAD)
                        .truncation(true)
                        .addSpecialTokens(row.has("strategy"))
                        .truncationSide(side)
                        .truncationStrategy(
                            TruncationStrategy.valueOf(strategy.toUpperCase(Locale.ROOT)))
                        .maxLength(row.path("length").asInt())
                        .stride(row.path("stride").asInt())
                        .returnOverflowingTokens(row.has("stride")));
        String where = kind + " " + row;
        if (row.has("ids")) {
          checkRow(row, batch, 0, where, List.of(first, second));
        } else {
          JsonNode windows = row.path("windows");
          assertEquals(windows.size(), batch.size(), where);
          for (int i = 0; i < windows.size(); i++) {
            assertArrayEquals(longs(windows.get(i)), batch.inputIds()[i], where);
            assertEquals(0, batch.overflowToSampleMapping()[i]);
          }
        }
      }
    }
  }

  /** As in Python, where a pipeline asks for pairs and some texts come alone. */
  @ParameterizedTest
  @MethodSource("kinds")
  void aStrategyMattersOnlyWhereATextIsTooLong(String kind) {
    try (Tokenizer tokenizer = open(FOLDER.resolve(kind))) {
      long[] whole = tokenizer.encodeIds("The weight");
      assertArrayEquals(whole, cutSecond(tokenizer, whole.length));
      IllegalArgumentException error =
          assertThrows(
              IllegalArgumentException.class, () -> cutSecond(tokenizer, whole.length - 1));
      assertTrue(error.getMessage().contains("no second text"), error.getMessage());
    }
  }

  private static long[] cutSecond(Tokenizer tokenizer, int length) {
    return tokenizer.encodeIds(
        "The weight",
        o ->
            o.truncation(true)
                .truncationStrategy(TruncationStrategy.ONLY_SECOND)
                .maxLength(length));
  }

  /** Equal, but for the last bit of scores, which the library loses when it copies a tokenizer. */
  private static void assertSame(JsonNode expected, JsonNode actual, String where) {
    if (expected.isArray()) {
      assertEquals(expected.size(), actual.size(), where);
      for (int i = 0; i < expected.size(); i++) {
        assertSame(expected.get(i), actual.get(i), where + " " + i);
      }
    } else if (expected.isDouble()) {
      assertEquals(expected.doubleValue(), actual.doubleValue(), 1e-14, where);
    } else {
      assertEquals(expected, actual, where);
    }
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void addsTokensLikePython(String kind) {
    JsonNode added = expected(kind).path("added");
    try (Tokenizer tokenizer = open(FOLDER.resolve(kind))) {
      AddedToken special = new AddedToken("<sp>", false, true, true, false, true);
      List<AddedToken> tokens = List.of(AddedToken.of("brandnewword"), special);
      assertEquals(added.path("counts").path(0).asInt(), tokenizer.addTokens(tokens));
      assertEquals(
          added.path("counts").path(1).asInt(),
          tokenizer.addSpecialTokens(Map.of("pad_token", "<newpad>")));
      assertEquals(0, tokenizer.addTokens(tokens));
      tokenizer.savePretrained(folder);
      checkAdded(tokenizer, added);
    }
    try (Tokenizer tokenizer = open(folder)) {
      checkAdded(tokenizer, added);
    }
  }

  private static void checkAdded(Tokenizer tokenizer, JsonNode added) {
    long[] ids = tokenizer.encodeIds("a brandnewword  <sp> b<newpad>");
    assertArrayEquals(longs(added.path("ids")), ids);
    assertEquals(added.path("length").asInt(), tokenizer.length());
    assertEquals(added.path("pad").asLong(), tokenizer.padTokenId().orElseThrow());
    assertEquals(added.path("skipped").asText(), tokenizer.decode(ids, true));
  }

  private static void check(Tokenizer tokenizer, JsonNode expected) {
    assertEquals(expected.path("vocabSize").asInt(), tokenizer.vocabSize());
    assertEquals(expected.path("length").asInt(), tokenizer.length());
    assertEquals(expected.path("paddingSide").asText(), tokenizer.paddingSide().pythonName());
    assertEquals(expected.path("truncationSide").asText(), tokenizer.truncationSide().pythonName());
    expected
        .path("special")
        .properties()
        .forEach(
            entry ->
                assertEquals(
                    entry.getValue().asText(),
                    tokenizer.specialToken(entry.getKey()).orElse("none"),
                    entry.getKey()));
    assertEquals(expected.path("special").size(), tokenizer.specialTokensMap().size());
    assertArrayEquals(
        Arrays.stream(longs(expected.path("allSpecialIds"))).sorted().toArray(),
        Arrays.stream(tokenizer.convertTokensToIds(tokenizer.allSpecialTokens()))
            .sorted()
            .toArray());
    List<String> texts = new ArrayList<>();
    INPUTS.path("texts").forEach(text -> texts.add(text.asText()));
    assertTrue(texts.size() > 20);
    List<String> tokens = new ArrayList<>();
    expected.path("tokens").forEach(token -> tokens.add(token.asText()));
    assertEquals(tokens, tokenizer.tokenize(texts.get(4) + texts.get(9) + texts.get(24)));
    BatchEncoding batch =
        tokenizer.batchEncode(texts, o -> o.padding(EncodeOptions.Padding.DO_NOT_PAD));
    for (int i = 0; i < texts.size(); i++) {
      JsonNode row = expected.path("texts").get(i);
      String text = texts.get(i);
      checkRow(row, batch, i, text, List.of(text, ""));
      long[] ids = batch.inputIds()[i];
      assertArrayEquals(ids, tokenizer.encodeIds(text));
      assertArrayEquals(
          longs(row.path(row.has("plain") ? "plain" : "ids")),
          tokenizer.encodeIds(text, o -> o.addSpecialTokens(false)),
          text);
      assertEquals(row.path("decoded").asText(), tokenizer.decode(ids, false), text);
      assertEquals(row.path("skipped").asText(), tokenizer.decode(ids, true), text);
    }
    for (int i = 0; i < INPUTS.path("pairs").size(); i++) {
      String first = INPUTS.path("pairs").get(i).path(0).asText();
      String second = INPUTS.path("pairs").get(i).path(1).asText();
      BatchEncoding pair =
          tokenizer.batchEncode(List.of(first), List.of(second), o -> o.padToMultipleOf(1));
      checkRow(
          expected.path("pairs").get(i), pair, 0, first + "|" + second, List.of(first, second));
    }
  }

  private static void checkRow(
      JsonNode row, BatchEncoding batch, int index, String where, List<String> texts) {
    long[] ids = longs(row.path("ids"));
    assertArrayEquals(ids, batch.inputIds()[index], where);
    long[] types = row.has("types") ? longs(row.path("types")) : new long[ids.length];
    assertArrayEquals(types, batch.tokenTypeIds()[index], where);
    assertArrayEquals(longs(row.path("mask")), batch.specialTokensMask()[index], where);
    int[] offsets =
        IntStream.range(0, 2 * ids.length)
            .map(
                i -> {
                  int sequence = batch.sequenceIds()[index][i / 2];
                  int chars = batch.offsetMapping()[index][i / 2][i % 2];
                  return sequence < 0 ? chars : texts.get(sequence).codePointCount(0, chars);
                })
            .toArray();
    assertArrayEquals(
        Arrays.stream(longs(row.path("offsets"))).mapToInt(i -> (int) i).toArray(),
        offsets,
        where + " offsets");
    assertFalse(Arrays.stream(batch.attentionMask()[index]).anyMatch(mask -> mask == 0));
  }

  private static Tokenizer open(Path path) {
    return AutoTokenizer.fromPretrained(path);
  }

  private static JsonNode expected(String kind) {
    return json(FOLDER.resolve(kind).resolve("expected.json"));
  }

  private static JsonNode json(Path file) {
    return PythonJson.read(file, 1 << 22);
  }

  private static long[] longs(JsonNode list) {
    return IntStream.range(0, list.size()).mapToLong(i -> list.get(i).asLong()).toArray();
  }
}
