package org.peftjava.transformers.generation;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.Goldens;

/** Processed scores against transformers' own processors; -infinity marks removed tokens. */
class LogitsProcessorsTest {
  /** A token of the first row whose score is that of three others, the highest. */
  private static final int TIE = 3;

  private static final Set<String> KNOWN =
      Set.of("temperature", "top_k", "top_p", "min_p", "repetition_penalty");

  @TestFactory
  List<DynamicTest> scoresEqualPythons() throws IOException {
    JsonNode rows =
        new ObjectMapper()
            .readTree(Goldens.folder("sampling").resolve("case.json").toFile())
            .get("rows");
    List<DynamicTest> tests = new ArrayList<>();
    for (JsonNode row : rows) {
      JsonNode settings = row.get("settings");
      List<String> names = new ArrayList<>();
      settings.fieldNames().forEachRemaining(names::add);
      if (KNOWN.containsAll(names)) {
        int index = row.get("row").intValue();
        tests.add(DynamicTest.dynamicTest(settings.toString(), () -> check(index, settings)));
      }
    }
    assertTrue(tests.size() >= 17, "only " + tests.size() + " settings are covered");
    return tests;
  }

  private static void check(int row, JsonNode settings) {
    GenerationConfig.Builder config = GenerationConfig.builder().doSample(true).topK(0);
    settings
        .fields()
        .forEachRemaining(
            field -> {
              double value = field.getValue().doubleValue();
              switch (field.getKey()) {
                case "temperature" -> config.temperature(value);
                case "top_k" -> config.topK((int) value);
                case "top_p" -> config.topP(value);
                case "min_p" -> config.minP(value);
                default -> config.repetitionPenalty(value);
              }
            });
    LogitsProcessors processors = new LogitsProcessors(config.build());
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Map<String, Tensor> golden = Goldens.tensors("sampling");
      Tensor scores = golden.get("logits");
      if (settings.has("repetition_penalty")) {
        scores = processors.penalizeRepetition(scores, golden.get("input_ids"));
      }
      float[] original = golden.get("logits").toFloats();
      float[] actual = processors.warp(scores).toFloats();
      float[] expected = golden.get("row" + row + ".scores").toFloats();
      for (int i = 0; i < expected.length; i++) {
        // which of several equal scores top-p keeps is up to the sort; how many is not
        boolean tie = original[i] == original[TIE];
        if (!tie && Float.isInfinite(expected[i])) {
          assertEquals(expected[i], actual[i], "token " + i);
        } else if (!tie) {
          assertEquals(expected[i], actual[i], 1e-5 * (1 + Math.abs(expected[i])), "token " + i);
        }
      }
      Arrays.sort(expected);
      Arrays.sort(actual);
      assertArrayEquals(expected, actual, 1e-4f);
    }
  }
}
