package org.peftjava.transformers.generation;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.config.ConfigJson;

/** Processed logits against transformers' own processors; -infinity marks removed tokens. */
class LogitsProcessorsTest {
  /** A token of the first row of "sampling" whose logit is that of two others, the highest. */
  private static final int TIE = 3;

  @TestFactory
  List<DynamicTest> samplingEqualsPythons() throws IOException {
    List<DynamicTest> tests = new ArrayList<>();
    for (JsonNode row : rows("sampling")) {
      ObjectNode settings = (ObjectNode) row.get("settings");
      settings.put("do_sample", true);
      if (!settings.has("top_k")) {
        settings.put("top_k", 0);
      }
      int index = row.get("row").intValue();
      tests.add(DynamicTest.dynamicTest(settings.toString(), () -> checkSampling(index, settings)));
    }
    assertEquals(19, tests.size());
    return tests;
  }

  @TestFactory
  List<DynamicTest> processorsEqualPythons() throws IOException {
    List<DynamicTest> tests = new ArrayList<>();
    for (JsonNode row : rows("logits_processors")) {
      tests.add(DynamicTest.dynamicTest(row.get("settings").toString(), () -> checkRow(row)));
    }
    assertEquals(42, tests.size());
    return tests;
  }

  @Test
  void theUsersProcessorsFollowTheRulesAndPrecedeTheSampling() {
    List<float[]> seen = new ArrayList<>();
    LogitsProcessor own =
        (ids, logits) -> {
          seen.add(logits.toFloats());
          return logits.add(1);
        };
    GenerationConfig config =
        GenerationConfig.builder()
            .doSample(true)
            .topK(2)
            .temperature(2)
            .suppressTokens(0)
            .forcedEosTokenId(1)
            .build();
    LogitsProcessorList list =
        new LogitsProcessorList(
            config,
            GenerateOptions.builder().logitsProcessor(own).build(),
            new long[][] {{3}},
            1,
            9);
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor logits = Creation.ofFloats(new float[] {9, 5, 3, 1}, 1, 4);
      float[] result =
          list.apply(new InputIds(new long[][] {{3}}, 1, Device.CPU), logits).toFloats();
      float none = Float.NEGATIVE_INFINITY;
      assertArrayEquals(new float[] {none, 5, 3, 1}, seen.get(0));
      assertArrayEquals(new float[] {none, 3, 2, none}, result);
      assertArrayEquals(new float[] {9, 5, 3, 1}, logits.toFloats());
    }
  }

  private static void checkRow(JsonNode row) {
    GenerationConfig config = config(row.get("settings"));
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Map<String, Tensor> golden = Goldens.tensors("logits_processors");
      long[][] prompts = Goldens.rows(golden.get("prompt"));
      LogitsProcessorList list =
          new LogitsProcessorList(
              config,
              GenerateOptions.NONE,
              prompts,
              row.get("prompt_length").intValue(),
              config.maxLength().orElseThrow());
      InputIds ids =
          new InputIds(
              Goldens.rows(golden.get("input_ids")),
              row.get("tokens").intValue(),
              Device.defaultDevice());
      float[] before = golden.get("logits").toFloats();
      float[] actual = list.apply(ids, golden.get("logits")).toFloats();
      assertArrayEquals(before, golden.get("logits").toFloats(), "the argument was changed");
      compare(golden.get("row" + row.get("row").intValue() + ".scores").toFloats(), actual);
    }
  }

  private static void compare(float[] expected, float[] actual) {
    for (int i = 0; i < expected.length; i++) {
      if (Float.isInfinite(expected[i]) || Math.abs(expected[i]) > 1e30) {
        assertEquals(expected[i], actual[i], "token " + i);
      } else {
        assertEquals(expected[i], actual[i], 1e-5 * (1 + Math.abs(expected[i])), "token " + i);
      }
    }
  }

  private static void checkSampling(int row, JsonNode settings) {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Map<String, Tensor> golden = Goldens.tensors("sampling");
      long[][] ids = Goldens.rows(golden.get("input_ids"));
      LogitsProcessorList list =
          new LogitsProcessorList(config(settings), GenerateOptions.NONE, ids, 5, 99);
      float[] original = golden.get("logits").toFloats();
      float[] actual =
          list.apply(new InputIds(ids, 5, Device.defaultDevice()), golden.get("logits")).toFloats();
      float[] expected = golden.get("row" + row + ".scores").toFloats();
      // which of several equal logits is kept is up to the sort; how many is not
      for (int i = 0; i < expected.length; i++) {
        if (original[i] != original[TIE]) {
          compare(new float[] {expected[i]}, new float[] {actual[i]});
        }
      }
      Arrays.sort(expected);
      Arrays.sort(actual);
      assertArrayEquals(expected, actual, 1e-4f);
    }
  }

  private static JsonNode rows(String golden) throws IOException {
    JsonNode rows =
        new ObjectMapper()
            .readTree(Goldens.folder(golden).resolve("case.json").toFile())
            .get("rows");
    assertTrue(rows.size() > 10);
    return rows;
  }

  private static GenerationConfig config(JsonNode settings) {
    return GenerationConfig.of(
        ConfigJson.parse(settings.toString(), Path.of("generation_config.json")));
  }
}
