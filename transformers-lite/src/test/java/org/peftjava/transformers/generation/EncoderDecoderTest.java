package org.peftjava.transformers.generation;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.TensorLedger;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** The loop over an encoder-decoder: encoder once, start token, state and cache by rows. */
class EncoderDecoderTest {
  private static final TokenBatch INPUT =
      TokenBatch.of(
          new long[][] {{5, 9, 3, 7}, {8, 2, 0, 0}, {1, 1, 6, 0}},
          new long[][] {{1, 1, 1, 1}, {1, 1, 0, 0}, {1, 1, 1, 0}});

  private final long before = TensorLedger.liveTensors();
  private final FakeEncoderDecoder model = seeded();

  private static FakeEncoderDecoder seeded() {
    Randomness.manualSeed(5);
    return new FakeEncoderDecoder(11);
  }

  @AfterEach
  void close() {
    model.close();
    assertEquals(before, TensorLedger.liveTensors());
  }

  @Test
  void theEncoderRunsOnceAndTheDecoderBeginsWithItsToken() {
    long[][] ids = generate(INPUT, g -> g.maxNewTokens(6));
    assertEquals(1, model.encoderRuns);
    assertEquals(3 * 6, model.decodedTokens);
    for (long[] row : ids) {
      assertEquals(7, row.length);
      assertEquals(4, row[0]);
    }
    assertFalse(Arrays.equals(ids[0], ids[1]), "the encoder's input makes no difference");
  }

  @Test
  void rowsOfABatchAreThoseOfEachRowAlone() {
    for (int beams : new int[] {1, 3}) {
      for (boolean cache : new boolean[] {true, false}) {
        Consumer<GenerationConfig.Builder> settings =
            g -> g.maxNewTokens(9).numBeams(beams).numReturnSequences(beams).useCache(cache);
        long[][] all = generate(INPUT, settings);
        for (int row = 0; row < 3; row++) {
          TokenBatch one =
              TokenBatch.of(
                  new long[][] {INPUT.inputIds()[row]}, new long[][] {INPUT.attentionMask()[row]});
          long[][] alone = generate(one, settings);
          for (int beam = 0; beam < beams; beam++) {
            assertArrayEquals(alone[beam], all[row * beams + beam]);
          }
        }
      }
    }
  }

  @Test
  void theCacheChangesNothingWhereBeamsMove() {
    Consumer<GenerationConfig.Builder> settings =
        g -> g.maxNewTokens(12).numBeams(4).numReturnSequences(4).eosTokenId(7).padTokenId(0);
    GenerateOutput with = output(INPUT, settings);
    GenerateOutput without = output(INPUT, settings.andThen(g -> g.useCache(false)));
    assertArrayEquals(without.sequences().ids(), with.sequences().ids());
    assertTrue(
        Arrays.stream(with.beamIndices().orElseThrow())
            .anyMatch(row -> Arrays.stream(row).filter(i -> i >= 0).distinct().count() > 1),
        "no beam moved");
  }

  @Test
  void encoderInputGuidesTheProcessors() {
    long[][] ids =
        generate(
            TokenBatch.of(new long[][] {{5, 9, 3, 7}}),
            g -> g.maxNewTokens(9).encoderNoRepeatNgramSize(1));
    for (long token : Arrays.copyOfRange(ids[0], 1, 10)) {
      assertTrue(token != 5 && token != 9 && token != 3 && token != 7, Arrays.toString(ids[0]));
    }
    long[][] forced = generate(INPUT, g -> g.maxNewTokens(2).forcedBosTokenId(10));
    assertArrayEquals(
        new long[] {10, 10, 10}, Arrays.stream(forced).mapToLong(r -> r[1]).toArray());
  }

  @Test
  void aMissingStartTokenIsExplained() {
    GenerationConfig config = GenerationConfig.builder().build();
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> new Generator(model, config, GenerateOptions.NONE).generate(INPUT))
            .getMessage();
    assertTrue(message.contains("decoder_start_token_id"), message);
    assertEquals(
        5,
        new Generator(
                model,
                config.toBuilder().bosTokenId(2).maxNewTokens(4).build(),
                GenerateOptions.NONE)
            .generate(INPUT)
            .sequences()
            .get(1)
            .length);
  }

  @Test
  void theDecoderContinuesWhatItIsGiven() {
    long[][] free = generate(INPUT, g -> g.maxNewTokens(6));
    long[][] begun = Arrays.stream(free).map(row -> Arrays.copyOf(row, 3)).toArray(long[][]::new);
    long[][] bare =
        Arrays.stream(free).map(row -> Arrays.copyOfRange(row, 1, 3)).toArray(long[][]::new);
    GenerationConfig config =
        GenerationConfig.builder().decoderStartTokenId(4).maxNewTokens(4).build();
    for (long[][] given : new long[][][] {begun, bare}) {
      GenerateOptions options = GenerateOptions.builder().decoderInputIds(given).build();
      assertArrayEquals(
          free, new Generator(model, config, options).generate(INPUT).sequences().ids());
    }
    GenerateOptions wrong = GenerateOptions.builder().decoderInputIds(begun[0]).build();
    assertThrows(
        IllegalArgumentException.class, () -> new Generator(model, config, wrong).generate(INPUT));
  }

  @Test
  void aModelThatShowsNoHiddenStatesSaysSo() {
    String message =
        assertThrows(
                UnsupportedOperationException.class,
                () -> generate(INPUT, g -> g.penaltyAlpha(0.5).topK(3)))
            .getMessage();
    assertTrue(message.contains("Remove penalty_alpha"), message);
  }

  private long[][] generate(TokenBatch batch, Consumer<GenerationConfig.Builder> settings) {
    return output(batch, settings).sequences().ids();
  }

  private GenerateOutput output(TokenBatch batch, Consumer<GenerationConfig.Builder> settings) {
    GenerationConfig.Builder builder = GenerationConfig.builder().decoderStartTokenId(4);
    settings.accept(builder);
    return new Generator(model, builder.build(), GenerateOptions.NONE).generate(batch);
  }
}
