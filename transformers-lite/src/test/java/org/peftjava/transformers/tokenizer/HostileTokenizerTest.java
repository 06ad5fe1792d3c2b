package org.peftjava.transformers.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.IntNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.LongNode;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.config.PythonJson;

/**
 * Damaged files end in a sentence or in a tokenizer that works; never in the end of the process.
 */
class HostileTokenizerTest {
  private static final List<JsonNode> VALUES =
      List.of(
          NullNode.instance,
          TextNode.valueOf(""),
          TextNode.valueOf("x"),
          TextNode.valueOf("\u2581"),
          TextNode.valueOf("A"),
          TextNode.valueOf("AAAAAAAA"),
          TextNode.valueOf("(a+)+b"),
          TextNode.valueOf("((("),
          TextNode.valueOf("\ud800"),
          TextNode.valueOf("\u0000"),
          IntNode.valueOf(0),
          IntNode.valueOf(-1),
          IntNode.valueOf(7),
          LongNode.valueOf(4294967295L),
          LongNode.valueOf(Long.MAX_VALUE),
          BooleanNode.TRUE,
          BooleanNode.FALSE,
          JsonNodeFactory.instance.arrayNode(),
          JsonNodeFactory.instance.objectNode());
  private static final List<String> TEXTS =
      List.of(
          "",
          " ",
          "The [CLS] <mask> </s>  x\u0000\u00e9 \ud83d\ude00 \u4f60 \ufb01 \n ",
          "aB1".repeat(90));

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(
      strings = {"bert", "roberta", "qwen2", "t5", "llama", "gemma", "llama3", "xlm", "word_level"})
  void changedTokenizerJson(String kind) {
    Path source = Goldens.folder("tokenizer_kinds").resolve(kind);
    Path file =
        source.resolve(kind.matches("llama3|xlm|word_level") ? "tokenizer.json" : "saved.json");
    ObjectNode original = (ObjectNode) PythonJson.read(file, 1 << 22);
    Random random = new Random(11);
    int used = 0;
    for (int round = 0; round < 250; round++) {
      ObjectNode json = original.deepCopy();
      for (int change = random.nextInt(3); change >= 0; change--) {
        change(json, random);
      }
      used += use(json) ? 1 : 0;
    }
    assertTrue(used > 5, "only " + used + " were used");
  }

  private static void change(ObjectNode json, Random random) {
    List<JsonNode> places = new ArrayList<>();
    List<String> parts =
        List.of(
            "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model");
    collect(json.path(parts.get(random.nextInt(parts.size()))), places);
    if (places.isEmpty()) {
      places.add(json);
    }
    JsonNode place = places.get(random.nextInt(places.size()));
    JsonNode value = VALUES.get(random.nextInt(VALUES.size()));
    if (random.nextInt(4) == 0) {
      value = places.get(random.nextInt(places.size())).deepCopy();
    }
    if (place instanceof ObjectNode object && !object.isEmpty()) {
      List<String> keys = new ArrayList<>();
      object.fieldNames().forEachRemaining(keys::add);
      String key = keys.get(random.nextInt(Math.min(20, keys.size())));
      if (random.nextInt(6) == 0) {
        object.remove(key);
      } else {
        object.set(key, value);
      }
    } else if (place instanceof ArrayNode array && !array.isEmpty()) {
      int index = random.nextInt(Math.min(20, array.size()));
      if (random.nextInt(6) == 0) {
        array.remove(index);
      } else {
        array.set(index, value);
      }
    }
  }

  private static void collect(JsonNode node, List<JsonNode> places) {
    if (node.isContainerNode()) {
      places.add(node);
      int seen = 0;
      for (JsonNode child : node) {
        if (seen++ < 20) {
          collect(child, places);
        }
      }
    }
  }

  private boolean use(ObjectNode json) {
    write("tokenizer.json", json.toString().getBytes(StandardCharsets.UTF_8));
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(folder)) {
      for (String text : TEXTS) {
        BatchEncoding batch =
            tokenizer.batchEncode(
                List.of(text, "b"),
                List.of("b", text),
                o -> o.padding(EncodeOptions.Padding.DO_NOT_PAD));
        tokenizer.decode(batch.inputIds()[0], false);
        tokenizer.decode(tokenizer.encodeIds(text), true);
        tokenizer.tokenize(text);
      }
      return true;
    } catch (RuntimeException e) {
      assertTrue(e.getMessage() != null && e.getMessage().length() > 5, e.toString());
      return false;
    }
  }

  @ParameterizedTest
  @CsvSource({
    "t5,spiece.model",
    "llama,tokenizer.model",
    "spm_unigram,tokenizer.model",
    "mbart,sentencepiece.bpe.model",
    "tiktoken_named,tiktoken.model"
  })
  void damagedSentencePieceModels(String kind, String name) throws IOException {
    Path source = Goldens.folder("tokenizer_kinds").resolve(kind);
    byte[] original = Files.readAllBytes(source.resolve(name));
    Files.copy(source.resolve("tokenizer_config.json"), folder.resolve("tokenizer_config.json"));
    Random random = new Random(5);
    int used = 0;
    for (int round = 0; round < 150; round++) {
      byte[] bytes = original.clone();
      for (int change = random.nextInt(6); change >= 0; change--) {
        bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
      }
      if (round % 3 == 0) {
        bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length));
      }
      write(name, bytes);
      try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(folder)) {
        TEXTS.forEach(text -> tokenizer.decode(tokenizer.encodeIds(text), false));
        used++;
      } catch (RuntimeException e) {
        assertTrue(e.getMessage() != null && e.getMessage().length() > 5, e.toString());
      }
    }
    assertTrue(used > 5 && used < 150, "used " + used);
  }

  @Test
  void saysWhatIsWrongWithASentencePieceModel() {
    write("spiece.model", new byte[] {10, (byte) 0xff, (byte) 0xff, (byte) 0xff, (byte) 0xff, 15});
    assertMessage("spiece.model: is not a SentencePiece model: field 1 has 4294967295 bytes");
    write("spiece.model", new byte[0]);
    assertMessage("it has no pieces");
    write("spiece.model", "hello".getBytes(StandardCharsets.UTF_8));
    assertMessage("is not a SentencePiece model");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "QQ== 0 1|line 1 is not 1 to 256 bytes in base64",
        "QQ== 0;Qg==|line 2 is not",
        "QQ== 0;Qg== -1|line 2 is not",
        "QQ== 0;Qg== 99999999999|line 2 is not",
        "QQ== 0;;Q Q 1|line 3 is not",
        "QQ== 0;QQ== 1|the token or the rank of line 2 twice",
        "QQ== 0;Qg== 0|the token or the rank of line 2 twice"
      })
  void saysWhatIsWrongWithATiktokenVocabulary(String lines, String message) {
    write("tokenizer.model", lines.replace(';', '\n').getBytes(StandardCharsets.UTF_8));
    assertMessage(message);
  }

  @Test
  void tokensFarBehindATiktokenVocabularyAreRefused() {
    write("tiktoken.model", "QQ== 0\nQg== 1\n".getBytes(StandardCharsets.UTF_8));
    write(
        "tokenizer_config.json",
        "{\"added_tokens_decoder\":{\"2000000000\":{\"content\":\"<s>\",\"special\":true}}}"
            .getBytes(StandardCharsets.UTF_8));
    assertMessage("expected ids close behind the 2 tokens of the vocabulary");
  }

  @Test
  void aTokenWithAPlaceInTheVocabularyIsNeeded() throws IOException {
    Path source = Goldens.folder("tokenizer_kinds").resolve("xlm_roberta");
    Files.copy(
        source.resolve("sentencepiece.bpe.model"), folder.resolve("sentencepiece.bpe.model"));
    write(
        "tokenizer_config.json",
        "{\"tokenizer_class\":\"XLMRobertaTokenizer\",\"pad_token\":null}"
            .getBytes(StandardCharsets.UTF_8));
    assertMessage("expected a token, since it has a place in the vocabulary");
    write(
        "tokenizer_config.json",
        "{\"tokenizer_class\":\"T5Tokenizer\"}".getBytes(StandardCharsets.UTF_8));
    assertMessage("sentencepiece.bpe.model can be read for [MBart50Tokenizer, MBartTokenizer");
    write(
        "tokenizer_config.json",
        "{\"tokenizer_class\":\"MBartTokenizer\",\"src_lang\":\"xx_XX\"}"
            .getBytes(StandardCharsets.UTF_8));
    assertMessage("src_lang");
  }

  @ParameterizedTest
  @CsvSource({
    "(a+)+b,repeats itself",
    "(?:a|b*)*,repeats itself",
    "'(?i:(a{2,})){3}',repeats itself",
    "a*a*a*b,repetitions in a row",
    "x+(?:y*|z*w?z+)q,repetitions in a row",
    "(a)\\1,back references",
    "'a{5,2000}',2000 times",
    "a),not opened"
  })
  void refusesRegularExpressionsThatMayNeverEnd(String regex, String problem) {
    assertTrue(RegexCheck.problem(regex).orElse("none").contains(problem));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r"
            + "\\n"
            + "\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r"
            + "\\n"
            + "]*|\\s*[\\r"
            + "\\n"
            + "]+|\\s+(?!\\S)|\\s+",
        "[^\\r"
            + "\\n"
            + "\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t)?",
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[\\p{P}\\p{S}]+[\\r\\n]*",
        " {2,}"
      })
  void takesThoseInUse(String regex) {
    assertFalse(RegexCheck.problem(regex).isPresent(), () -> RegexCheck.problem(regex).get());
    assertEquals(Optional.empty(), RegexCheck.problem(regex));
  }

  private void assertMessage(String part) {
    String message =
        assertThrows(RuntimeException.class, () -> AutoTokenizer.fromPretrained(folder))
            .getMessage();
    assertTrue(message.contains(part), message);
  }

  private void write(String name, byte[] bytes) {
    try {
      Files.write(folder.resolve(name), bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
