package org.peftjava.transformers.generation;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Whole generations against transformers: the same ids, beams and scores. */
class GenerationGoldenTest {
  private static CausalLM model;
  private static JsonNode golden;

  @BeforeAll
  static void load() throws IOException {
    Path folder = Goldens.folder("generation");
    model = AutoModelForCausalLM.fromPretrained(folder.resolve("base"));
    golden = new ObjectMapper().readTree(folder.resolve("case.json").toFile());
  }

  @AfterAll
  static void close() {
    model.close();
  }

  @TestFactory
  List<DynamicTest> idsEqualPythons() {
    List<DynamicTest> tests = new ArrayList<>();
    for (JsonNode row : golden.get("rows")) {
      String name = row.get("kind").asText() + " " + row.get("batch").asText() + " ";
      tests.add(DynamicTest.dynamicTest(name + row.get("settings"), () -> check(row)));
    }
    assertEquals(97, tests.size());
    return tests;
  }

  @Test
  void scoresAndLogitsOfEachStepEqualPythons() {
    GenerateOutput output =
        model.generateOutput(
            batch("batch"),
            g ->
                g.repetitionPenalty(1.9)
                    .eosTokenId()
                    .maxNewTokens(12)
                    .outputScores(true)
                    .outputLogits(true),
            GenerateOptions.NONE);
    try (TensorScope scope = TensorScope.open("test")) {
      Map<String, Tensor> expected = Goldens.tensors("generation");
      assertClose(expected.get("scores"), output.scores());
      assertClose(expected.get("logits"), output.logits());
    }
  }

  private static void check(JsonNode row) {
    long before = TensorLedger.liveTensors();
    GenerationConfig config =
        GenerationConfig.of(
                ConfigJson.parse(row.get("settings").toString(), Path.of("generation_config.json")))
            .toBuilder()
            .outputScores(true)
            .build();
    Noise noise = new Noise();
    GenerateOutput output =
        new Generator(model.decoderModel(), config, GenerateOptions.NONE, noise::draw)
            .generate(batch(row.get("batch").asText()));

    assertArrayEquals(longs(row.get("ids")), output.sequences().ids());
    assertEquals(row.has("sequences_scores"), output.sequencesScores().isPresent());
    if (row.has("sequences_scores")) {
      assertClose(row.get("sequences_scores"), output.sequencesScores().orElseThrow());
    }
    if (row.has("beam_indices")) {
      assertArrayEquals(
          longs(row.get("beam_indices")),
          Arrays.stream(output.beamIndices().orElseThrow())
              .map(indices -> Arrays.stream(indices).asLongStream().toArray())
              .toArray(long[][]::new));
    }
    if (row.has("transition_scores")) {
      float[][] transitions = output.transitionScores(!row.has("beam_indices"));
      JsonNode expected = row.get("transition_scores");
      assertEquals(expected.size(), transitions.length);
      for (int i = 0; i < transitions.length; i++) {
        assertClose(expected.get(i), transitions[i]);
      }
    }
    assertEquals(before, TensorLedger.liveTensors());
  }

  /** The random numbers of the Python run: the largest of probability / noise are drawn. */
  private static final class Noise {
    private int step;

    Tensor draw(Tensor probabilities, long count) {
      int size = (int) probabilities.numel();
      float[] noise = new float[size];
      for (long i = 0; i < size; i++) {
        long mixed = (i * 7919 + (step + 1) * 104729L + (i % 97) * (step + 3) * 31) % 9973;
        noise[(int) i] = (float) -Math.log((mixed + 0.5) / 9973);
      }
      step++;
      long[] shape = probabilities.shape().toArray();
      Tensor q = Creation.ofFloats(noise, shape).to(DType.FLOAT64).to(probabilities.device());
      return Ops.topK(probabilities.to(DType.FLOAT64).div(q), count).indices();
    }
  }

  private static TokenBatch batch(String name) {
    long[][] ids = longs(golden.get("input_ids"));
    long[][] mask = longs(golden.get("attention_mask"));
    int rows = name.equals("single") ? 1 : ids.length;
    return TokenBatch.of(Arrays.copyOf(ids, rows), Arrays.copyOf(mask, rows));
  }

  private static void assertClose(Tensor expected, List<float[][]> steps) {
    assertEquals(expected.size(0), steps.size());
    for (int step = 0; step < steps.size(); step++) {
      float[][] rows = steps.get(step);
      float[] flat = expected.select(0, step).toFloats();
      for (int i = 0; i < flat.length; i++) {
        float actual = rows[i / rows[0].length][i % rows[0].length];
        assertEquals(flat[i], actual, 1e-4 * (1 + Math.abs(flat[i])), "step " + step);
      }
    }
  }

  private static void assertClose(JsonNode expected, float[] actual) {
    assertEquals(expected.size(), actual.length);
    for (int i = 0; i < actual.length; i++) {
      double value = expected.get(i).doubleValue();
      double shown = Math.max(actual[i], -1e30);
      assertEquals(value, shown, 1e-4 * (1 + Math.abs(value)), "score " + i);
    }
  }

  private static long[][] longs(JsonNode matrix) {
    long[][] rows = new long[matrix.size()][];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = new long[matrix.get(i).size()];
      for (int j = 0; j < rows[i].length; j++) {
        rows[i][j] = matrix.get(i).get(j).longValue();
      }
    }
    return rows;
  }
}
