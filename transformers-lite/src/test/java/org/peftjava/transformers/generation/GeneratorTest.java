package org.peftjava.transformers.generation;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.Randomness;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.TinyOpt;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** The decoding loop on a tiny OPT model with 12 positions and 30 tokens. */
class GeneratorTest {
  private static final TokenBatch ONE = TokenBatch.of(new long[][] {{2, 5, 6}});

  private final CausalLM model = TinyOpt.model(TinyOpt.config());

  @AfterEach
  void close() {
    model.close();
  }

  @Test
  void leftPaddingChangesNothing() {
    long[][] padded = {{1, 1, 2, 5, 6}, {2, 9, 8, 7, 3}};
    long[][] mask = {{0, 0, 1, 1, 1}, {1, 1, 1, 1, 1}};
    long[][] both =
        model.generate(TokenBatch.of(padded, mask), g -> g.maxNewTokens(7).eosTokenId()).ids();
    long[] alone = model.generate(ONE, g -> g.maxNewTokens(7).eosTokenId()).ids()[0];

    assertArrayEquals(alone, Arrays.copyOfRange(both[0], 2, 12));
    assertEquals(12, both[1].length);
  }

  @Test
  void lengthsAreThoseOfTransformers() {
    assertEquals(5, generate(g -> g.maxNewTokens(2)).length);
    assertEquals(8, generate(g -> g.maxLength(8)).length);
    assertEquals(5, generate(g -> g.maxNewTokens(2).maxLength(9)).length);
    // by default 20 more, but never more than there are positions
    assertEquals(12, generate(g -> {}).length);
  }

  @Test
  void aRowEndsAtItsEndTokenUnlessItIsTooEarly() {
    long[] free = generate(g -> g.maxNewTokens(8));
    long end = free[5];
    int first = indexOf(free, end, 3);
    long[] stopped = generate(g -> g.maxNewTokens(8).eosTokenId(end));
    assertArrayEquals(Arrays.copyOf(free, first + 1), stopped);

    long[] later = generate(g -> g.maxNewTokens(8).eosTokenId(end).minNewTokens(5));
    assertFalse(LongStream.of(later).skip(3).limit(5).anyMatch(token -> token == end));
    assertTrue(later.length >= 8);
  }

  @Test
  void listenersHearEveryTokenAndMayStop() {
    List<Integer> heard = new ArrayList<>();
    long[] ids =
        model.generate(
                ONE,
                g -> g.maxNewTokens(8).eosTokenId(),
                TokenListener.streaming(heard::add)
                    .and(TokenListener.cancelledBy(() -> heard.size() == 4)))
            .ids()[0];
    assertEquals(7, ids.length);
    assertEquals(LongStream.of(ids).skip(3).mapToInt(i -> (int) i).boxed().toList(), heard);
  }

  @Test
  void aSeedRepeatsASampleAndLeavesTheRandomStateAlone() {
    Consumer<GenerationConfig.Builder> settings =
        g -> g.maxNewTokens(8).doSample(true).temperature(1.7).seed(9);
    byte[] state = Randomness.save().generator();
    long[] first = generate(settings);
    assertArrayEquals(state, Randomness.save().generator());
    assertArrayEquals(first, generate(settings));
    assertFalse(Arrays.equals(first, generate(settings.andThen(g -> g.seed(10)))));
    assertFalse(Arrays.equals(first, generate(g -> g.maxNewTokens(8))));
  }

  @Test
  void repetitionIsPenalised() {
    long[] ids = generate(g -> g.maxNewTokens(9).repetitionPenalty(1e6));
    assertEquals(12, LongStream.of(ids).distinct().count(), Arrays.toString(ids));
  }

  @Test
  void impossibleRequestsAreExplained() {
    assertFailure(g -> g.maxNewTokens(10), "3 tokens and 10 new ones are 13");
    assertFailure(g -> g.maxLength(3), "The prompt has 3 tokens, but max_length is 3");
    assertFailure(
        g -> g.doSample(true).temperature(0), "temperature is 0.0. Expected a number above 0");
    assertFailure(g -> g.doSample(true).topP(1.2), "top_p is 1.2");
    assertThrows(
        IllegalArgumentException.class,
        () -> model.generate(TokenBatch.of(new long[][] {{}}), g -> {}));
  }

  private void assertFailure(Consumer<GenerationConfig.Builder> settings, String part) {
    String message =
        assertThrows(IllegalArgumentException.class, () -> generate(settings)).getMessage();
    assertTrue(message.contains(part), message);
  }

  private long[] generate(Consumer<GenerationConfig.Builder> settings) {
    Consumer<GenerationConfig.Builder> endless = g -> g.eosTokenId();
    return model.generate(ONE, endless.andThen(settings)).ids()[0];
  }

  private static int indexOf(long[] ids, long token, int from) {
    int at = from;
    while (ids[at] != token) {
      at++;
    }
    return at;
  }
}
