package org.peftjava.transformers.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.transformers.tokenizer.Side;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** From files to examples to batches. The tokenizer here: 2 begins a text, then one id a letter. */
class DatasetTest {
  private static final TextEncoder LETTERS =
      new TextEncoder(
          text -> {
            long[] ids = new long[text.length() + 1];
            ids[0] = 2;
            for (int i = 0; i < text.length(); i++) {
              ids[i + 1] = text.charAt(i);
            }
            return ids;
          },
          DatasetTest::chat,
          OptionalLong.of(2),
          OptionalLong.of(2));

  @TempDir private Path folder;

  /** Each message is its content between 7 and 8; what begins an answer is 7. */
  private static long[] chat(List<Map<String, Object>> messages, boolean addGenerationPrompt) {
    LongStream.Builder ids = LongStream.builder();
    for (Map<String, Object> message : messages) {
      ids.add(7);
      message.get("content").toString().chars().forEach(ids::add);
      ids.add(8);
    }
    if (addGenerationPrompt) {
      ids.add(7);
    }
    return ids.build().toArray();
  }

  private static List<Example> texts(DatasetOptions options, String... texts) {
    return new Tokenization(LETTERS, options).ofTexts(List.of(texts));
  }

  private List<Example> file(String name, String content) throws IOException {
    Path file = Files.writeString(folder.resolve(name), content);
    return new Tokenization(LETTERS, DatasetOptions.builder().build()).ofFile(file);
  }

  @Test
  void textsEndWithTheEndToken() {
    assertEquals(
        List.of(Example.of(2, 'a', 'b', 2), Example.of(2, 'c', 2)),
        texts(DatasetOptions.builder().build(), "ab", "c"));
    assertEquals(
        List.of(Example.of(2, 'a')),
        texts(DatasetOptions.builder().appendEosToken(false).build(), "a"));
  }

  @Test
  void longTextsAreCutOrRefused() {
    assertEquals(
        List.of(Example.of(2, 'a', 'b'), Example.of(2, 'x', 2)),
        texts(DatasetOptions.builder().maxLength(3).truncation(true).build(), "abcdef", "x"));
    var error =
        assertThrows(
            IllegalArgumentException.class,
            () -> texts(DatasetOptions.builder().maxLength(3).build(), "x", "abcdef"));
    assertTrue(error.getMessage().startsWith("Text 1 has 8 tokens"), error.getMessage());
  }

  /** As TRL's SFTTrainer takes them. */
  @Test
  void chatsAreWrittenByTheTemplate() throws IOException {
    assertEquals(
        List.of(
            Example.of(7, 'a', 8, 7, 'b', 'c', 8),
            Example.ofCompletion(new long[] {7, 'a', 8, 7}, new long[] {'b', 'c', 8})),
        file(
            "chats.jsonl",
            """
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "bc"}]}
            {"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "bc"}]}
            """));
    assertRefused(
        "{\"messages\": [\"a\"]}",
        "line 1: a chat is a list of objects with \"role\" and \"content\", found STRING in it.");
    assertRefused(
        "{\"prompt\": [{\"content\": \"a\"}], \"completion\": [{\"content\": \"b\"}, 3]}",
        "found NUMBER in it.");
  }

  private void assertRefused(String line, String why) {
    var error = assertThrows(IllegalArgumentException.class, () -> file("bad.jsonl", line));
    assertTrue(error.getMessage().endsWith(why), error.getMessage());
  }

  /** A template that changes earlier messages, as some do with thoughts. */
  @Test
  void aPromptThatTheTemplateChangesIsRefused() {
    Chats chats =
        new Chats(
            (messages, open) -> open ? new long[] {7, 'x', 7} : new long[] {7, 'y', 7, 'b', 8},
            "There");
    ArrayNode none = JsonNodeFactory.instance.arrayNode();
    var error = assertThrows(IllegalArgumentException.class, () -> chats.completion(none, none));
    assertTrue(error.getMessage().contains("differ at token 1 of 3"), error.getMessage());
  }

  @Test
  void packingFillsBlocks() {
    assertEquals(
        List.of(Example.of(2, 'a', 'b', 2), Example.of(2, 'c', 2, 2), Example.of('d', 2)),
        texts(DatasetOptions.builder().maxLength(4).packing(true).build(), "ab", "c", "d"));
  }

  @Test
  void jsonLinesHaveTextOrPromptAndCompletion() throws IOException {
    List<Example> examples =
        file("data.jsonl", "{\"text\": \"ab\"}\n\n{\"prompt\": \"q\", \"completion\": \"r\"}\r\n");
    assertEquals(Example.of(2, 'a', 'b', 2), examples.get(0));
    assertEquals(
        new Example(new long[] {2, 'q', 'r', 2}, new long[] {-100, -100, 'r', 2}), examples.get(1));
    assertEquals(2, examples.size());
  }

  @Test
  void badLinesAreNamed() throws IOException {
    var json = assertThrows(IllegalArgumentException.class, () -> file("a.jsonl", "{\"text\":1}"));
    assertTrue(json.getMessage().contains("a.jsonl, line 1: expected"), json.getMessage());
    assertTrue(json.getMessage().contains("fields [text]"), json.getMessage());
    var broken =
        assertThrows(
            IllegalArgumentException.class, () -> file("b.jsonl", "{\"text\": \"a\"}\n{oops"));
    assertTrue(broken.getMessage().contains("b.jsonl, line 2: not a JSON"), broken.getMessage());
    byte[] latin = "good\nschön\n".getBytes(StandardCharsets.ISO_8859_1);
    Path file = Files.write(folder.resolve("c.txt"), latin);
    var bytes =
        assertThrows(
            IllegalArgumentException.class,
            () -> new Tokenization(LETTERS, DatasetOptions.builder().build()).ofFile(file));
    assertTrue(bytes.getMessage().contains("c.txt, line 2: not valid UTF-8"), bytes.getMessage());
  }

  @Test
  void plainFilesHaveATextOnEachLine() throws IOException {
    assertEquals(
        List.of(Example.of(2, 'a', 2), Example.of(2, 'é', 2)), file("d.txt", "\uFEFFa\n \né"));
  }

  @Test
  void batchesArePadded() {
    List<Example> examples =
        List.of(Example.of(5, 6, 7), Example.ofCompletion(new long[] {8}, new long[] {9}));
    TokenBatch right = new DataCollatorForLanguageModeling(1, 4, Side.RIGHT).collate(examples);
    assertArrayEquals(new long[][] {{5, 6, 7, 1}, {8, 9, 1, 1}}, right.inputIds());
    assertArrayEquals(new long[][] {{1, 1, 1, 0}, {1, 1, 0, 0}}, right.attentionMask());
    assertArrayEquals(
        new long[][] {{5, 6, 7, -100}, {-100, 9, -100, -100}}, right.labels().orElseThrow());
    TokenBatch left = new DataCollatorForLanguageModeling(1, 1, Side.LEFT).collate(examples);
    assertArrayEquals(new long[][] {{5, 6, 7}, {1, 8, 9}}, left.inputIds());
    assertArrayEquals(new long[][] {{1, 1, 1}, {0, 1, 1}}, left.attentionMask());
    assertEquals(
        3, MicroBatches.targets(right, true), "6, 7 and 9: the first position never counts");
  }

  @Test
  void anEpochIsAPermutationAndEpochsDiffer() {
    Dataset data = Dataset.of(TinyModels.counting(23));
    for (SamplingStrategy strategy : SamplingStrategy.values()) {
      TrainingArguments args =
          TrainingArguments.builder()
              .perDeviceTrainBatchSize(4)
              .trainSamplingStrategy(strategy)
              .dataSeed(3)
              .build();
      List<int[]> first = new BatchOrder(data, args).epoch(0);
      Set<Integer> seen = new HashSet<>();
      first.forEach(batch -> Arrays.stream(batch).forEach(seen::add));
      assertEquals(23, seen.size());
      assertEquals(6, first.size());
      assertEquals(3, first.get(5).length);
      boolean same =
          Arrays.deepEquals(first.toArray(), new BatchOrder(data, args).epoch(1).toArray());
      assertEquals(strategy == SamplingStrategy.SEQUENTIAL, same);
      assertTrue(Arrays.deepEquals(first.toArray(), new BatchOrder(data, args).epoch(0).toArray()));
    }
  }

  @Test
  void lengthGroupingPadsLess() {
    Dataset data = Dataset.of(TinyModels.counting(64));
    assertTrue(
        padding(data, SamplingStrategy.GROUP_BY_LENGTH)
            < 0.6 * padding(data, SamplingStrategy.RANDOM));
  }

  private static long padding(Dataset data, SamplingStrategy strategy) {
    TrainingArguments args =
        TrainingArguments.builder()
            .perDeviceTrainBatchSize(4)
            .trainSamplingStrategy(strategy)
            .build();
    long padding = 0;
    for (int[] batch : new BatchOrder(data, args).epoch(0)) {
      int[] lengths = Arrays.stream(batch).map(i -> data.get(i).length()).toArray();
      int longest = Arrays.stream(lengths).max().orElseThrow();
      padding += Arrays.stream(lengths).map(length -> longest - length).sum();
    }
    return padding;
  }

  @Test
  void aSplitKeepsEveryExampleOnce() {
    Dataset data = Dataset.of(List.of(Example.of(4), Example.of(5), Example.of(6)));
    Map<String, Dataset> parts = data.trainTestSplit(1, 42);
    Set<Example> all = new HashSet<>();
    parts
        .values()
        .forEach(
            part -> {
              for (int i = 0; i < part.size(); i++) {
                all.add(part.get(i));
              }
            });
    assertEquals(1, parts.get("test").size());
    assertEquals(3, all.size());
    assertThrows(IllegalArgumentException.class, () -> data.trainTestSplit(3, 42));
  }
}
