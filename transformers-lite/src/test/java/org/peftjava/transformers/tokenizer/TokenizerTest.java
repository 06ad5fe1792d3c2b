package org.peftjava.transformers.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.config.PythonJson;

/** Both forms of the golden tokenizer must give what Python gave for the slow one. */
class TokenizerTest {
  private static final JsonNode EXPECTED =
      PythonJson.read(Goldens.folder("tokenizer/expected.json"), 1 << 20);

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"fast", "slow"})
  void encodesAndDecodesLikePython(String form) {
    try (Tokenizer tokenizer = open(form)) {
      assertTrue(EXPECTED.path("texts").size() > 20);
      for (JsonNode row : EXPECTED.path("texts")) {
        String text = row.path("text").asText();
        long[] ids = longs(row.path("ids"));
        assertArrayEquals(ids, tokenizer.encodeIds(text), text);
        assertArrayEquals(
            longs(row.path("idsWithoutSpecial")),
            tokenizer.encodeIds(text, o -> o.addSpecialTokens(false)),
            text);
        assertEquals(strings(row.path("tokens")), tokenizer.convertIdsToTokens(ids), text);
        assertEquals(row.path("decoded").asText(), tokenizer.decode(ids, false));
        assertEquals(row.path("decodedSkipSpecial").asText(), tokenizer.decode(ids, true));
      }
      for (JsonNode row : EXPECTED.path("decodeOnly")) {
        TokenIds ids = new TokenIds(new long[][] {longs(row.path("ids"))});
        assertEquals(List.of(row.path("decoded").asText()), tokenizer.batchDecode(ids));
        assertEquals(
            List.of(row.path("decodedSkipSpecial").asText()),
            tokenizer.batchDecode(ids, o -> o.skipSpecialTokens(true)));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"fast", "slow"})
  void padsAndCutsLikePython(String form) {
    List<String> texts = strings(EXPECTED.path("batch"));
    try (Tokenizer tokenizer = open(form)) {
      for (JsonNode row : EXPECTED.path("padded")) {
        Side side = Side.valueOf(row.path("side").asText().toUpperCase(java.util.Locale.ROOT));
        JsonNode arguments = row.path("arguments");
        TokenBatch batch =
            tokenizer.encode(
                texts,
                o -> {
                  o.paddingSide(side).truncation(arguments.path("truncation").asBoolean());
                  if (arguments.path("padding").isTextual()) {
                    o.padding(EncodeOptions.Padding.MAX_LENGTH);
                  }
                  if (arguments.has("max_length")) {
                    o.maxLength(arguments.path("max_length").asInt());
                  }
                  if (arguments.has("pad_to_multiple_of")) {
                    o.padToMultipleOf(arguments.path("pad_to_multiple_of").asInt());
                  }
                });
        assertArrayEquals(rows(row.path("ids")), batch.inputIds(), arguments.toString());
        assertArrayEquals(rows(row.path("attentionMask")), batch.attentionMask());
      }
      for (JsonNode row : EXPECTED.path("truncated")) {
        Side side = Side.valueOf(row.path("side").asText().toUpperCase(java.util.Locale.ROOT));
        int length = row.path("maxLength").asInt();
        long[] ids =
            tokenizer.encodeIds(
                row.path("text").asText(),
                o -> o.truncation(true).truncationSide(side).maxLength(length));
        assertArrayEquals(longs(row.path("ids")), ids, side + " " + length);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"fast", "slow"})
  void knowsItsSpecialTokens(String form) {
    try (Tokenizer tokenizer = open(form)) {
      JsonNode special = EXPECTED.path("special");
      assertEquals(OptionalLong.of(special.path("bos").asLong()), tokenizer.bosTokenId());
      assertEquals(OptionalLong.of(special.path("eos").asLong()), tokenizer.eosTokenId());
      assertEquals(OptionalLong.of(special.path("pad").asLong()), tokenizer.padTokenId());
      assertEquals(OptionalLong.of(special.path("unk").asLong()), tokenizer.unkTokenId());
      assertEquals("<pad>", tokenizer.specialToken("pad_token").orElseThrow());
      assertEquals(EXPECTED.path("vocabSize").asInt(), tokenizer.vocabSize());
      assertEquals(EXPECTED.path("length").asInt(), tokenizer.length());
      assertEquals(OptionalInt.empty(), tokenizer.modelMaxLength());
      assertEquals(OptionalLong.of(303), tokenizer.convertTokenToId("The"));
    }
  }

  /** What Python saved after reading the slow files is what we build from them. */
  @Test
  void buildsTheTokenizerJsonThatPythonBuilds() {
    JsonNode built = TokenizerFiles.read(Goldens.folder("tokenizer/slow")).tokenizerJson();
    JsonNode saved = PythonJson.read(Goldens.folder("tokenizer/fast/tokenizer.json"), 1 << 20);
    assertEquals(saved, PythonJson.parse(built.toString(), Path.of("built")));
  }

  @ParameterizedTest
  @ValueSource(strings = {"fast", "slow"})
  void savedTokenizersReadBack(String form) throws Exception {
    try (Tokenizer tokenizer =
        AutoTokenizer.fromPretrained(
            Goldens.folder("tokenizer/" + form),
            o -> o.paddingSide(Side.LEFT).modelMaxLength(7).padToken("<unk>"))) {
      tokenizer.savePretrained(folder);
    }
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(folder.toString())) {
      for (JsonNode row : EXPECTED.path("texts")) {
        assertArrayEquals(longs(row.path("ids")), tokenizer.encodeIds(row.path("text").asText()));
      }
      TokenBatch batch = tokenizer.encode("The weight", "");
      assertArrayEquals(new long[][] {{2, 303, 321}, {3, 3, 2}}, batch.inputIds());
      assertArrayEquals(new long[][] {{1, 1, 1}, {0, 0, 1}}, batch.attentionMask());
      long[] cut = tokenizer.encodeIds("a longer text that must be cut", o -> o.truncation(true));
      assertEquals(7, cut.length);
    }
    JsonNode config = PythonJson.read(folder.resolve("tokenizer_config.json"), 1 << 20);
    assertEquals("</s>", config.path("bos_token").asText());
    assertEquals("left", config.path("padding_side").asText());
    assertEquals("GPT2Tokenizer", config.path("tokenizer_class").asText());
    assertTrue(Files.exists(folder.resolve("tokenizer.json")));
  }

  @Test
  void severalThreadsMayUseOneTokenizer() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(4);
    try (Tokenizer tokenizer = open("slow")) {
      List<Future<Integer>> results = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        results.add(
            threads.submit(
                () -> {
                  int checked = 0;
                  for (int round = 0; round < 40; round++) {
                    for (JsonNode row : EXPECTED.path("texts")) {
                      long[] ids = tokenizer.encodeIds(row.path("text").asText());
                      assertArrayEquals(longs(row.path("ids")), ids);
                      assertEquals(row.path("decoded").asText(), tokenizer.decode(ids, false));
                      checked++;
                    }
                  }
                  return checked;
                }));
      }
      for (Future<Integer> result : results) {
        assertEquals(40 * EXPECTED.path("texts").size(), result.get());
      }
    } finally {
      threads.shutdownNow();
    }
  }

  @Test
  void closingWhileOthersEncodeIsSafe() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(3);
    Tokenizer tokenizer = open("fast");
    List<Future<String>> results = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      results.add(
          threads.submit(
              () -> {
                while (true) {
                  try {
                    tokenizer.encodeIds("The weight stays where it is");
                  } catch (IllegalStateException e) {
                    return e.getMessage();
                  }
                }
              }));
    }
    Thread.sleep(50);
    tokenizer.close();
    tokenizer.close();
    for (Future<String> result : results) {
      assertTrue(result.get().contains("was closed"));
    }
    threads.shutdownNow();
  }

  @Test
  void rejectsArgumentsThatCannotWork() {
    try (Tokenizer tokenizer = open("fast")) {
      assertMessage(() -> tokenizer.decode(new long[] {2, -100}, true), "-100");
      assertMessage(() -> tokenizer.decode(new long[] {1L << 40}, true), "1099511627776");
      assertEquals("", tokenizer.decode(new long[] {99_999}, true)); // as in Python
      assertMessage(() -> tokenizer.convertIdsToTokens(new long[] {340}), "340 tokens");
      assertMessage(
          () -> tokenizer.encode(List.of("x"), o -> o.padding(EncodeOptions.Padding.MAX_LENGTH)),
          "Set maxLength");
      assertMessage(() -> tokenizer.encode(List.of("x"), o -> o.maxLength(0)), "at least 1");
      assertEquals(2, tokenizer.encodeIds("\ud83d")[0]); // half a pair is U+FFFD
      assertArrayEquals(tokenizer.encodeIds("a\ufffdb"), tokenizer.encodeIds("a\udc00b"));
      assertEquals(0, tokenizer.encode().size());
    }
  }

  private static Tokenizer open(String form) {
    return AutoTokenizer.fromPretrained(Goldens.folder("tokenizer/" + form));
  }

  static void assertMessage(org.junit.jupiter.api.function.Executable code, String part) {
    String message = assertThrows(RuntimeException.class, code).getMessage();
    assertTrue(message.contains(part), message);
  }

  private static long[] longs(JsonNode list) {
    long[] values = new long[list.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = list.get(i).asLong();
    }
    return values;
  }

  private static long[][] rows(JsonNode list) {
    long[][] values = new long[list.size()][];
    for (int i = 0; i < values.length; i++) {
      values[i] = longs(list.get(i));
    }
    return values;
  }

  private static List<String> strings(JsonNode list) {
    List<String> values = new ArrayList<>();
    list.forEach(item -> values.add(item.asText()));
    return values;
  }
}
