package org.peftjava.transformers.model.t5;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.peftjava.transformers.Goldens.assertClose;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.generation.GenerateOptions;
import org.peftjava.transformers.generation.GenerateOutput;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** What T5 and mT5 write, beside transformers: greedy, with beams, with and without a cache. */
class T5GenerationTest {
  private static final double TOLERANCE = 1e-5;

  private static Seq2SeqLM model(String name) {
    return AutoModelForSeq2SeqLM.fromPretrained(Goldens.folder(name).resolve("model"));
  }

  private static Tensor tensor(Map<String, Tensor> golden, String name) {
    Tensor tensor = golden.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException("no golden " + name);
    }
    return tensor;
  }

  private static TokenBatch batch(Map<String, Tensor> golden) {
    return TokenBatch.of(
        Goldens.rows(tensor(golden, "in.input_ids")),
        Goldens.rows(tensor(golden, "in.attention_mask")));
  }

  @ParameterizedTest
  @ValueSource(strings = {"t5_v10", "t5_v11", "t5_mt5", "bart"})
  void greedyGeneration(String name) {
    try (Seq2SeqLM model = model(name);
        TensorScope scope = TensorScope.open("test")) {
      Map<String, Tensor> golden = Goldens.tensors(name);
      long stop = tensor(golden, "gen.stop_token").toLong();
      for (boolean useCache : new boolean[] {true, false}) {
        GenerateOutput output =
            model.generateOutput(
                batch(golden),
                g -> g.maxNewTokens(7).useCache(useCache).outputLogits(true),
                GenerateOptions.NONE);
        assertArrayEquals(Goldens.rows(tensor(golden, "gen.ids")), output.sequences().ids());
        Tensor logits = tensor(golden, "gen.logits");
        for (int step = 0; step < 7; step++) {
          for (int row = 0; row < 2; row++) {
            float[] actual = output.logits().get(step)[row];
            assertClose(
                logits.select(0, step).select(0, row),
                Creation.ofFloats(actual, actual.length),
                TOLERANCE);
          }
        }
        assertArrayEquals(
            Goldens.rows(tensor(golden, "gen.stopped_ids")),
            model
                .generate(batch(golden), g -> g.maxNewTokens(7).eosTokenId(stop).useCache(useCache))
                .ids());
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"t5_v10", "t5_v11", "t5_mt5", "bart"})
  void beamSearch(String name) {
    try (Seq2SeqLM model = model(name);
        TensorScope scope = TensorScope.open("test")) {
      Map<String, Tensor> golden = Goldens.tensors(name);
      for (boolean useCache : new boolean[] {true, false}) {
        GenerateOutput three =
            model.generateOutput(
                batch(golden),
                g -> g.maxNewTokens(7).numBeams(3).useCache(useCache).outputScores(true),
                GenerateOptions.NONE);
        assertArrayEquals(Goldens.rows(tensor(golden, "beam.three.ids")), three.sequences().ids());
        assertArrayEquals(
            tensor(golden, "beam.three.scores").toFloats(),
            three.sequencesScores().orElseThrow(),
            1e-4f);
        GenerateOutput several =
            model.generateOutput(
                batch(golden),
                g ->
                    g.maxNewTokens(7)
                        .numBeams(4)
                        .numReturnSequences(3)
                        .lengthPenalty(0.6)
                        .earlyStopping(true)
                        .eosTokenId(tensor(golden, "beam.several.stop_token").toLong())
                        .useCache(useCache)
                        .outputScores(true),
                GenerateOptions.NONE);
        assertArrayEquals(
            Goldens.rows(tensor(golden, "beam.several.ids")), several.sequences().ids());
        assertArrayEquals(
            tensor(golden, "beam.several.scores").toFloats(),
            several.sequencesScores().orElseThrow(),
            1e-4f);
      }
    }
  }

  @Test
  void samplingStartsFromTheSettingsAndNeedsAStartToken() {
    try (Seq2SeqLM model = model("t5_v10");
        TensorScope scope = TensorScope.open("test")) {
      Map<String, Tensor> golden = Goldens.tensors("t5_v10");
      long[][] first =
          model
              .generate(
                  batch(golden),
                  g -> g.doSample(true).seed(4).numReturnSequences(2).maxNewTokens(6))
              .ids();
      assertEquals(4, first.length);
      assertEquals(0, first[0][0]);
      assertArrayEquals(
          first,
          model
              .generate(
                  batch(golden),
                  g -> g.doSample(true).seed(4).numReturnSequences(2).maxNewTokens(6))
              .ids());
      model.generationConfig(GenerationConfig.builder().build());
      IllegalArgumentException error =
          assertThrows(
              IllegalArgumentException.class,
              () -> model.generate(batch(golden), g -> g.maxNewTokens(2)));
      assertTrue(error.getMessage().contains("decoder_start_token_id"), error::getMessage);
    }
  }
}
