package org.peftjava.transformers.generation;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.TinyOpt;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Objects that a call of generate takes, and settings that need no golden. 30 tokens. */
class GenerateOptionsTest {
  private static final TokenBatch TWO = TokenBatch.of(new long[][] {{2, 5, 6}, {2, 9, 4}});

  private final CausalLM model = TinyOpt.model(TinyOpt.config());

  @AfterEach
  void close() {
    model.close();
  }

  @Test
  void ownProcessorsAndCriteriaAreObeyed() {
    LogitsProcessor onlyOdd =
        (ids, logits) ->
            Masks.without(logits, LongStream.range(0, 15).map(i -> 2 * i).boxed().toList());
    StoppingCriteria afterSix = (ids, row) -> ids.length() == 6;
    for (int beams : new int[] {1, 3}) {
      GenerateOptions options =
          GenerateOptions.builder().logitsProcessor(onlyOdd).stoppingCriteria(afterSix).build();
      long[][] ids = generate(g -> g.maxNewTokens(9).numBeams(beams), options);
      for (long[] row : ids) {
        assertEquals(6, row.length);
        assertTrue(Arrays.stream(row).skip(3).allMatch(id -> id % 2 == 1), Arrays.toString(row));
      }
    }
  }

  @Test
  void aRowThatACriterionEndsIsFilledWhereThereIsAnEndToken() {
    StoppingCriteria firstRow = (ids, row) -> row == 0 && ids.length() == 5;
    GenerateOptions options = GenerateOptions.builder().stoppingCriteria(firstRow).build();
    long[][] ids = generate(g -> g.maxNewTokens(6).eosTokenId(29).padTokenId(1), options);
    assertArrayEquals(new long[] {1, 1, 1, 1}, Arrays.copyOfRange(ids[0], 5, 9));
    assertEquals(9, ids[1].length);
  }

  @Test
  void allowedPrefixesAreAskedForEachRow() {
    GenerateOptions options =
        GenerateOptions.builder()
            .prefixAllowedTokensFn(
                (batch, ids) -> new long[] {10 * batch + ids.length, 10 * batch + ids.length + 3})
            .build();
    for (int beams : new int[] {1, 4}) {
      long[][] ids = generate(g -> g.maxNewTokens(4).numBeams(beams), options);
      for (int row = 0; row < 2; row++) {
        for (int at = 3; at < 7; at++) {
          long offset = ids[row][at] - 10L * row - at;
          assertTrue(offset == 0 || offset == 3, Arrays.toString(ids[row]));
        }
      }
    }
    GenerateOptions none =
        GenerateOptions.builder().prefixAllowedTokensFn((batch, ids) -> new long[0]).build();
    refused(g -> g.maxNewTokens(2), none, "allows no token after row 0");
    GenerateOptions beyond =
        GenerateOptions.builder().prefixAllowedTokensFn((batch, ids) -> new long[] {30}).build();
    refused(g -> g.maxNewTokens(2), beyond, "expected 0 to 29");
  }

  @Test
  void anotherThreadOrTheClockCancels() {
    AtomicInteger asked = new AtomicInteger();
    GenerateOptions cancelled =
        GenerateOptions.builder()
            .stoppingCriteria(StoppingCriteria.cancelledBy(() -> asked.incrementAndGet() > 4))
            .build();
    assertEquals(6, generate(g -> g.maxNewTokens(9), cancelled)[0].length);
    assertEquals(4, generate(g -> g.maxNewTokens(9).maxTime(1e-9), GenerateOptions.NONE)[0].length);
    assertEquals(
        4,
        generate(g -> g.maxNewTokens(9).maxTime(1e-9).numBeams(2), GenerateOptions.NONE)[0].length);
  }

  @Test
  void severalSequencesOfASampleAreNeighbours() {
    long[][] ids =
        generate(
            g -> g.maxNewTokens(5).doSample(true).temperature(2).seed(3).numReturnSequences(4),
            GenerateOptions.NONE);
    assertEquals(8, ids.length);
    for (int row = 0; row < 8; row++) {
      assertArrayEquals(TWO.inputIds()[row / 4], Arrays.copyOf(ids[row], 3));
    }
    assertTrue(Arrays.stream(ids).map(Arrays::toString).distinct().count() > 4);
  }

  @Test
  void impossibleCombinationsAreExplained() {
    GenerateOptions listener =
        GenerateOptions.builder().streamer(TokenListener.cancelledBy(() -> false)).build();
    refused(g -> g.numBeams(2), listener, "beam search chooses whole continuations");
    refused(g -> g.prefillChunkSize(2).useCache(false), GenerateOptions.NONE, "needs a cache");
    refused(g -> g.stopStrings("x"), GenerateOptions.NONE, "no tokenizer");
    refused(g -> g.badWordsIds(List.of(List.of(30L))), GenerateOptions.NONE, "0 to 29");
    refused(g -> g.suppressTokens(99), GenerateOptions.NONE, "0 to 29");
    GenerationConfig unknown =
        GenerationConfig.of(GenerationConfig.builder().build().json().with("guidance_scale", 1.5));
    String message =
        assertThrows(
                UnsupportedOperationException.class,
                () ->
                    new Generator(model.decoderModel(), unknown, GenerateOptions.NONE)
                        .generate(TWO))
            .getMessage();
    assertTrue(message.contains("guidance_scale is 1.5"), message);
  }

  private void refused(
      Consumer<GenerationConfig.Builder> settings, GenerateOptions options, String part) {
    String message =
        assertThrows(IllegalArgumentException.class, () -> generate(settings, options))
            .getMessage();
    assertTrue(message.contains(part), message);
  }

  private long[][] generate(Consumer<GenerationConfig.Builder> settings, GenerateOptions options) {
    Consumer<GenerationConfig.Builder> endless = g -> g.eosTokenId();
    return model.generate(TWO, endless.andThen(settings), options).ids();
  }
}
