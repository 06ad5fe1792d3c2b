package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModel;
import org.peftjava.transformers.FeatureExtraction;
import org.peftjava.transformers.ModelInput;

/** Adapters of models without head: golden/features. */
@ExtendWith(LedgerCheck.class)
class FeatureExtractionTest {
  private static final JsonNode CASES =
      Goldens.json(Goldens.path("features/case.json")).path("cases");

  static List<String> names() {
    List<String> result = new ArrayList<>();
    CASES.fieldNames().forEachRemaining(result::add);
    return result;
  }

  private static Path folder(String name) {
    return Goldens.path("features").resolve(name);
  }

  private static FeatureExtraction base(String name) {
    return AutoModel.fromPretrained(
        folder("base_" + CASES.path(name).path("architecture").textValue()));
  }

  private static ModelInput input(String name, Map<String, Tensor> golden) {
    String prefix = CASES.path(name).path("architecture").textValue() + ".in.";
    return ModelInput.builder()
        .inputIds(golden.get(prefix + "input_ids"))
        .attentionMask(golden.get(prefix + "attention_mask"))
        .build();
  }

  /** Python's line from -1 to 1 over all numbers. */
  private static Tensor line(Tensor like) {
    int n = Math.toIntExact(like.numel());
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) (-1 + 2.0 * i / (n - 1));
    }
    return Creation.ofFloats(values, like.shape().toArray()).to(like.device());
  }

  @ParameterizedTest
  @MethodSource("names")
  void hiddenStatesAndGradientsArePythons(String name) {
    try (TensorScope scope = TensorScope.openGraph("test");
        FeatureExtraction base = base(name);
        PeftModelForFeatureExtraction model =
            PeftModel.fromPretrained(
                base, folder(name), options -> options.isTrainable(!name.startsWith("ptuning")))) {
      model.eval();
      Map<String, Tensor> golden = Goldens.tensors("features/io.safetensors");
      Tensor hidden = model.forward(input(name, golden)).lastHiddenState().orElseThrow();
      Tensor expected = golden.get(name + ".hidden");
      int virtual =
          Math.toIntExact(expected.size(1) - golden.get(prefix(name) + "input_ids").size(1));
      assertEquals(name.startsWith("prompt") || name.startsWith("ptuning") ? 3 : 0, virtual);
      Tensor seen = seen(golden.get(prefix(name) + "attention_mask"), virtual);
      Goldens.assertClose(
          expected.maskedFill(seen, 0), hidden.maskedFill(seen, 0), 1e-5, "hidden states");
      if (name.startsWith("ptuning")) {
        return; // Python saves no network that could be trained further
      }
      hidden.mul(line(hidden)).mean().backward();
      Map<String, Tensor> gradients = new TreeMap<>();
      golden.forEach(
          (key, value) -> {
            if (key.startsWith(name + ".grad.")) {
              gradients.put(key.substring(name.length() + 6), value);
            }
          });
      model
          .namedParameters()
          .forEach(
              (key, parameter) -> {
                Tensor gradient = gradients.remove(key);
                assertEquals(gradient != null, parameter.requiresGrad(), key);
                if (gradient != null) {
                  Goldens.assertClose(gradient, parameter.tensor().grad().orElseThrow(), 1e-4, key);
                }
              });
      assertEquals(Map.of(), gradients);
      assertEquals(
          CASES.path(name).path("trainable").asLong(), model.trainableParameters().trainable());
      assertEquals(CASES.path(name).path("total").asLong(), model.trainableParameters().all());
    }
  }

  private static String prefix(String name) {
    return CASES.path(name).path("architecture").textValue() + ".in.";
  }

  /** True at padded places; virtual tokens are none. */
  private static Tensor seen(Tensor mask, int virtual) {
    Tensor padded = mask.eq(0);
    return (virtual == 0
            ? padded
            : Creation.cat(
                List.of(
                    Creation.zeros(mask.dtype(), mask.device(), mask.size(0), virtual).eq(1),
                    padded),
                1))
        .unsqueeze(-1);
  }

  @Test
  void anAdapterIsSavedLoadedAndMerged(@TempDir Path saved) {
    LoraConfig config =
        LoraConfig.builder()
            .r(3)
            .loraAlpha(5)
            .targetModules("query")
            .taskType(TaskType.FEATURE_EXTRACTION)
            .initLoraWeights(false)
            .build();
    try (TensorScope scope = TensorScope.open("test");
        FeatureExtraction base = base("lora_bert")) {
      Map<String, Tensor> golden = Goldens.tensors("features/io.safetensors");
      ModelInput input = input("lora_bert", golden);
      float[] plain = base.forward(input).lastHiddenState().orElseThrow().toFloats();
      float[] adapted;
      try (PeftModelForFeatureExtraction model = Peft.getPeftModel(base, config)) {
        model.eval();
        adapted = model.forward(input).lastHiddenState().orElseThrow().toFloats();
        model.savePretrained(saved);
      }
      assertArrayEquals(plain, base.forward(input).lastHiddenState().orElseThrow().toFloats());
      try (PeftModelForFeatureExtraction model =
          AutoPeftModelForFeatureExtraction.fromPretrained(saved.toString())) {
        assertArrayEquals(
            adapted, model.forward(input).lastHiddenState().orElseThrow().toFloats(), 1e-6f);
        model.mergeAdapter();
        assertArrayEquals(
            adapted, model.forward(input).lastHiddenState().orElseThrow().toFloats(), 1e-5f);
      }
      RuntimeException other =
          assertThrows(
              IllegalArgumentException.class,
              () -> AutoPeftModelForCausalLM.fromPretrained(saved.toString()));
      assertTrue(other.getMessage().contains("FEATURE_EXTRACTION"), other.getMessage());
      RuntimeException task =
          assertThrows(
              IllegalArgumentException.class,
              () -> Peft.getPeftModel(base, config.toBuilder().taskType(TaskType.SEQ_CLS).build()));
      assertTrue(task.getMessage().contains("one without head"), task.getMessage());
    }
  }
}
