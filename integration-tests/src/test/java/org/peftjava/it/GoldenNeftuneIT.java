package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.prompttuning.PromptTuningConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.PretrainedModel;

/** Noise on embeddings: transformers', number by number, as it comes from one generator. */
@ExtendWith(NoLeaks.class)
class GoldenNeftuneIT {

  @TestFactory
  List<DynamicTest> noiseIsPythons() {
    List<DynamicTest> tests = new ArrayList<>();
    for (JsonNode row : Golden.json(Golden.ROOT.resolve("neftune.json"))) {
      String name = row.get("folder").asText() + (row.get("prompt").isNull() ? "" : " prompt");
      tests.add(DynamicTest.dynamicTest(name, () -> check(row)));
    }
    assertEquals(4, tests.size());
    return tests;
  }

  private static void check(JsonNode row) {
    Path folder = Golden.ROOT.resolve(row.get("folder").asText());
    if (row.get("kind").asText().equals("sequence")) {
      try (PretrainedModel model = AutoModelForSequenceClassification.fromPretrained(folder)) {
        check(row, model);
      }
      return;
    }
    try (CausalLM model = AutoModelForCausalLM.fromPretrained(folder)) {
      if (row.get("prompt").isNull()) {
        check(row, model);
        return;
      }
      PromptTuningConfig config =
          PromptTuningConfig.builder().taskType(TaskType.CAUSAL_LM).numVirtualTokens(2).build();
      try (PeftModelForCausalLM prompted = Peft.getPeftModel(model, config);
          TensorScope scope = TensorScope.open("prompt");
          GradMode off = GradMode.noGrad()) {
        parameter(prompted, row).tensor().copyInPlace(matrix(row.get("prompt")));
        try (GradMode on = GradMode.enableGrad()) {
          check(row, prompted);
        }
      }
    }
  }

  private static Parameter parameter(PretrainedModel model, JsonNode row) {
    return model.module().namedParameters().get(row.get("parameter").asText());
  }

  private static Tensor matrix(JsonNode rows) {
    float[] values = new float[rows.size() * rows.get(0).size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = rows.get(i / rows.get(0).size()).get(i % rows.get(0).size()).floatValue();
    }
    return Creation.ofFloats(values, rows.size(), rows.get(0).size());
  }

  private static void check(JsonNode row, PretrainedModel model) {
    model.module().train(true);
    try (TensorScope scope = TensorScope.openGraph("test")) {
      JsonNode labels = row.get("labels");
      ModelInput input =
          ModelInput.builder()
              .inputIds(Creation.ofLongs(longs(row.get("input_ids"))))
              .labels(
                  labels.get(0).isArray()
                      ? Creation.ofLongs(longs(labels))
                      : Creation.ofLongs(
                          new long[] {labels.get(0).asLong(), labels.get(1).asLong()}, 2))
              .embeddingNoise(row.get("alpha").asDouble())
              .build();
      Randomness.manualSeed(row.get("seed").asLong());
      Tensor loss = model.forward(input).loss().orElseThrow();
      assertEquals(row.get("loss").asDouble(), loss.toDouble(), 2e-5);
      loss.backward();
      float[] gradient = parameter(model, row).tensor().grad().orElseThrow().toFloats();
      for (int i = 0; i < row.get("gradient").size(); i++) {
        assertEquals(row.get("gradient").get(i).floatValue(), gradient[i], 1e-5);
      }
    }
  }

  private static long[][] longs(JsonNode rows) {
    long[][] result = new long[rows.size()][rows.get(0).size()];
    for (int i = 0; i < rows.size(); i++) {
      for (int j = 0; j < rows.get(0).size(); j++) {
        result[i][j] = rows.get(i).get(j).asLong();
      }
    }
    return result;
  }
}
