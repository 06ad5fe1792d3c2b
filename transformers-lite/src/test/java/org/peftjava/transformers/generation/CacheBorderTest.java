package org.peftjava.transformers.generation;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Texts that grow beyond the length at which Phi-3 turns all its keys by other angles. */
class CacheBorderTest {
  private static final int NEW_TOKENS = 9;
  private static final int PADDING = 2; // of the longer row

  private static CausalLM phi3;

  @BeforeAll
  static void load() {
    phi3 = AutoModelForCausalLM.fromPretrained(Goldens.folder("decoder_phi3").resolve("base"));
    assertEquals(8, phi3.config().cacheBorder());
  }

  @AfterAll
  static void close() {
    phi3.close();
  }

  private interface Check {
    void run(Map<String, Tensor> golden, TokenBatch batch);
  }

  private static void with(Check check) {
    long before = TensorLedger.liveTensors();
    try (TensorScope scope = TensorScope.open("golden")) {
      Map<String, Tensor> golden = Goldens.tensors("phi3_border");
      check.run(golden, TokenBatch.of(rows(golden, "input_ids"), rows(golden, "attention_mask")));
    }
    assertEquals(before, TensorLedger.liveTensors());
  }

  private static long[][] rows(Map<String, Tensor> golden, String key) {
    return Goldens.rows(golden.get(key));
  }

  /** The longer of the two texts alone, as Python's greedy search continues it. */
  private static long[] first(Map<String, Tensor> golden) {
    long[] row = rows(golden, "greedy.ids")[0];
    return Arrays.copyOfRange(row, PADDING, row.length);
  }

  private static GenerateOutput generate(
      TokenBatch batch, Consumer<GenerationConfig.Builder> settings) {
    Consumer<GenerationConfig.Builder> endless =
        g -> g.maxNewTokens(NEW_TOKENS).eosTokenId().padTokenId(1).outputLogits(true);
    return phi3.generateOutput(batch, endless.andThen(settings), GenerateOptions.NONE);
  }

  @Test
  void greedyIdsAndLogitsAreThoseOfTheWholeText() {
    with(
        (golden, batch) -> {
          for (Consumer<GenerationConfig.Builder> way :
              List.<Consumer<GenerationConfig.Builder>>of(
                  g -> {}, g -> g.useCache(false), g -> g.prefillChunkSize(3))) {
            GenerateOutput output = generate(batch, way);
            assertArrayEquals(rows(golden, "greedy.ids"), output.sequences().ids());
            float[] expected = golden.get("greedy.logits").toFloats();
            float[] actual = flat(output.logits());
            assertArrayEquals(expected, actual, 2e-5f);
          }
        });
  }

  private static float[] flat(List<float[][]> steps) {
    try (TensorScope scope = TensorScope.open("logits")) {
      return Creation.cat(
              steps.stream()
                  .flatMap(Arrays::stream)
                  .map(row -> Creation.ofFloats(row, row.length))
                  .toList(),
              0)
          .toFloats();
    }
  }

  @Test
  void beamsCrossItTogether() {
    with(
        (golden, batch) -> {
          GenerateOutput output =
              generate(batch, g -> g.numBeams(3).numReturnSequences(2).outputScores(true));
          assertArrayEquals(rows(golden, "beams.ids"), output.sequences().ids());
          assertArrayEquals(
              golden.get("beams.scores").toFloats(), output.sequencesScores().orElseThrow(), 1e-5f);
        });
  }

  @Test
  void contrastiveSearchComparesTheNewStates() {
    with(
        (golden, batch) -> {
          long[] prompt = Arrays.copyOf(first(golden), 5);
          GenerateOutput output =
              generate(TokenBatch.of(new long[][] {prompt}), g -> g.penaltyAlpha(0.6).topK(3));
          assertArrayEquals(rows(golden, "contrastive.ids"), output.sequences().ids());
        });
  }

  /** 7 and 8 tokens end before the border, 9 and 11 behind it. */
  @ParameterizedTest
  @ValueSource(ints = {5, 7, 8, 9, 11})
  void partsOfAPromptAreTurnedAsTheWhole(int length) {
    with(
        (golden, batch) -> {
          long[] whole = first(golden);
          TokenBatch prompt = TokenBatch.of(new long[][] {Arrays.copyOf(whole, length)});
          for (int chunk : new int[] {1, 4, 20}) {
            long[] ids =
                generate(prompt, g -> g.maxNewTokens(14 - length).prefillChunkSize(chunk))
                    .sequences()
                    .get(0);
            assertArrayEquals(whole, ids);
          }
        });
  }

  @Test
  void guessesStopAtTheBorder() {
    with(
        (golden, batch) -> {
          long[] whole = first(golden);
          TokenBatch prompt = TokenBatch.of(new long[][] {Arrays.copyOf(whole, 5)});
          for (int guesses : new int[] {1, 2, 3, 5}) {
            phi3.generationConfig(
                phi3.generationConfig().toBuilder()
                    .numAssistantTokens(guesses)
                    .assistantConfidenceThreshold(0)
                    .build());
            GenerateOptions assisted = GenerateOptions.builder().assistantModel(phi3).build();
            Consumer<GenerationConfig.Builder> settings =
                g -> g.maxNewTokens(NEW_TOKENS).eosTokenId();
            assertArrayEquals(whole, phi3.generate(prompt, settings, assisted).get(0));
            assertArrayEquals(
                whole,
                phi3.generate(prompt, settings.andThen(g -> g.promptLookupNumTokens(guesses)))
                    .get(0));
          }
        });
  }
}
