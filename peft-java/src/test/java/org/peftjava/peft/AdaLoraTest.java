package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.adalora.AdaLoraConfig;
import org.peftjava.peft.tuner.lora.adalora.AdaLoraConfigBuilder;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.transformers.ModelInput;

/**
 * AdaLoRA in training: golden/adalora_schedule step by step, the Trainer, files between choices.
 */
@ExtendWith(LedgerCheck.class)
class AdaLoraTest {
  private static final String FOLDER = "adalora_schedule";
  private static final int STEPS = 16;

  private final JsonNode facts = Goldens.json(Goldens.path(FOLDER + "/case.json"));
  private TinyOpt tiny;
  private Map<String, Tensor> golden;

  @BeforeEach
  void open() {
    tiny = new TinyOpt();
    golden = Goldens.tensors(FOLDER + "/io.safetensors");
  }

  @AfterEach
  void close() {
    tiny.close();
  }

  static AdaLoraConfigBuilder builder() {
    return AdaLoraConfig.builder()
        .initR(4)
        .targetR(1)
        .tinit(1)
        .tfinal(2)
        .totalStep(8)
        .loraAlpha(3)
        .initLoraWeights(false)
        .targetModules("q_proj", "fc2")
        .taskType(TaskType.CAUSAL_LM);
  }

  private ModelInput input() {
    return ModelInput.builder()
        .inputIds(golden.get("in.input_ids"))
        .attentionMask(golden.get("in.attention_mask"))
        .labels(golden.get("in.labels"))
        .build();
  }

  private static Map<String, Parameter> trained(PeftModel model) {
    Map<String, Parameter> result = new TreeMap<>(model.namedParameters());
    result.values().removeIf(parameter -> !parameter.requiresGrad());
    return result;
  }

  private static Object pattern(TunerConfig config) {
    Object value = config.fields().get("rank_pattern");
    return value == null ? "none" : new TreeMap<>((Map<?, ?>) value);
  }

  @Test
  void lossesMasksAndPatternsArePythonsAtEachStep(@TempDir Path folder) {
    try (PeftModelForCausalLM model =
        PeftModel.fromPretrained(
            tiny.base(), Goldens.path(FOLDER + "/initial"), o -> o.isTrainable(true))) {
      Map<String, Parameter> trained = trained(model);
      try (AdamW optimizer = new AdamW(trained, new AdamW.Options(0.01, 0.9, 0.999, 1e-8, 0.01))) {
        for (int step = 0; step < STEPS; step++) {
          try (TensorScope scope = TensorScope.openGraph("step")) {
            Tensor loss = model.forward(input()).loss().orElseThrow();
            Goldens.assertClose(golden.get(step + ".loss"), loss, 2e-4, step + ".loss");
            loss.backward();
          }
          optimizer.step();
          model.updateAndAllocate(step);
          model.updateAndAllocate(step); // a second call changes nothing
          optimizer.zeroGrad();
          JsonNode pattern = facts.get("steps").get(step).get("pattern");
          assertEquals(
              pattern.isNull() ? "none" : new TreeMap<>(Goldens.map(pattern)),
              pattern(model.peftConfig().get("default")),
              "pattern " + step);
          for (Map.Entry<String, Parameter> entry : trained.entrySet()) {
            if (entry.getKey().contains("lora_E")) {
              String key = step + "." + entry.getKey();
              Goldens.assertClose(golden.get(key), entry.getValue().tensor(), 2e-4, key);
            }
          }
        }
      }
      trained.forEach(
          (name, value) ->
              Goldens.assertClose(golden.get("after." + name), value.tensor(), 5e-4, name));
      model.eval();
      float[] masked = tiny.logits(model).toFloats();
      model.savePretrained(folder);
      model.unload();
      try (PeftModelForCausalLM loaded = PeftModel.fromPretrained(tiny.base(), folder.toString())) {
        assertArrayEquals(masked, tiny.logits(loaded).toFloats(), 2e-6f);
        assertEquals(1, IntStream.of(ranks(loaded)).filter(rank -> rank == 0).count());
      }
    }
  }

  private static int[] ranks(PeftModel model) {
    return model.namedParameters().entrySet().stream()
        .filter(entry -> entry.getKey().contains("lora_E"))
        .mapToInt(entry -> Math.toIntExact(entry.getValue().shape().get(0)))
        .toArray();
  }

  /** Also a layer that has lost all its ranks. */
  @ParameterizedTest
  @ValueSource(ints = {4, 15})
  void pythonsFilesWithFewerRanksAreReadAndWritten(int step, @TempDir Path folder)
      throws IOException {
    Path saved = Goldens.path(FOLDER + "/after_" + step);
    try (PeftModelForCausalLM model = PeftModel.fromPretrained(tiny.base(), saved.toString())) {
      Goldens.assertClose(
          golden.get(step + ".loaded").maskedFill(mask(), 0), tiny.logits(model), 1e-5, "logits");
      Goldens.assertClose(
          golden.get(step + ".loaded"), golden.get(step + ".logits"), 1e-5, "as in training");
      assertEquals(0, model.trainableParameters().trainable());
      model.savePretrained(folder);
      assertArrayEquals(
          Files.readAllBytes(saved.resolve("adapter_model.safetensors")),
          Files.readAllBytes(folder.resolve("adapter_model.safetensors")));
      assertEquals(
          pattern(PeftConfig.fromPretrained(saved)), pattern(PeftConfig.fromPretrained(folder)));
    }
  }

  private Tensor mask() {
    return golden.get("in.attention_mask").eq(0).unsqueeze(-1);
  }

  @Test
  void aLoadedAdapterTrainsOnAndKeepsCountingItsFirstRanks(@TempDir Path folder) {
    Path saved = Goldens.path(FOLDER + "/after_4");
    try (PeftModelForCausalLM model =
        PeftModel.fromPretrained(tiny.base(), saved, o -> o.isTrainable(true))) {
      int before = IntStream.of(ranks(model)).sum();
      try (AdamW optimizer = new AdamW(trained(model), AdamW.Options.defaults())) {
        for (int step = 0; step < STEPS; step++) {
          try (TensorScope scope = TensorScope.openGraph("step")) {
            model.forward(input()).loss().orElseThrow().backward();
          }
          optimizer.step();
          model.updateAndAllocate(step);
          optimizer.zeroGrad();
        }
      }
      model.eval();
      float[] masked = tiny.logits(model).toFloats();
      model.savePretrained(folder);
      model.unload();
      try (PeftModelForCausalLM loaded = PeftModel.fromPretrained(tiny.base(), folder.toString())) {
        assertArrayEquals(masked, tiny.logits(loaded).toFloats(), 2e-6f);
        assertEquals(4, IntStream.of(ranks(loaded)).sum(), "the target, 1 for each of 4 layers");
        assertTrue(before > 4);
      }
    }
  }

  @Test
  void thePenaltyActsWithItsAdapter() {
    try (PeftModelForCausalLM model = Peft.getPeftModel(tiny.base(), builder().build())) {
      double with = model.forward(input()).loss().orElseThrow().toDouble();
      double penalty = model.trainingPenalty().orElseThrow().toDouble();
      model.setRequiresGrad("default", false);
      assertTrue(model.trainingPenalty().isEmpty());
      double without = model.forward(input()).loss().orElseThrow().toDouble();
      assertTrue(penalty > 0.1);
      assertEquals(with, without + penalty, 1e-5);
      model.setRequiresGrad("default", true);
      assertTrue(model.withoutAdapter(() -> model.trainingPenalty().isEmpty()));
    }
  }

  @Test
  void whatCannotBeIsSaid() {
    assertRefused(builder().totalStep(2), "tinit must be below totalStep - tfinal, which is 0");
    assertRefused(AdaLoraConfig.builder(), "totalStep must be the number of all training steps");
    assertRefused(builder().beta1(1), "beta1 must be between 0 and 1, got 1.0");
    assertRefused(builder().orthRegWeight(-1), "orthRegWeight must be 0 or more, got -1.0");
    assertRefused(builder().useDora(true), "useDora is not possible with AdaLoRA");
    assertRefused(
        builder().rankPattern(Map.of("a.lora_E", List.of(true))),
        "rankPattern must have initR times true or false for each <layer>.lora_E");
    List<Boolean> four = List.of(true, false, true, true);
    AdaLoraConfig elsewhere = builder().rankPattern(Map.of("nowhere.lora_E", four)).build();
    String unknown =
        assertThrows(
                IllegalArgumentException.class, () -> Peft.getPeftModel(tiny.base(), elsewhere))
            .getMessage();
    assertTrue(unknown.contains("names layers that are not adapted: [nowhere]"), unknown);
    AdaLoraConfig biased = builder().loraBias(true).build();
    assertEquals(
        "AdaLoRA does not use lora_bias. Unset what it does not use.",
        assertThrows(
                UnsupportedOperationException.class, () -> Peft.getPeftModel(tiny.base(), biased))
            .getMessage());
    try (PeftModelForCausalLM model = Peft.getPeftModel(tiny.base(), builder().build())) {
      String early =
          assertThrows(IllegalStateException.class, () -> model.updateAndAllocate(0)).getMessage();
      assertTrue(early.contains("needs the gradients of the step"), early);
    }
    try (PeftModelForCausalLM model =
        Peft.getPeftModel(
            tiny.base(),
            LoraConfig.builder().targetModules("q_proj").taskType(TaskType.CAUSAL_LM).build())) {
      String other =
          assertThrows(UnsupportedOperationException.class, () -> model.updateAndAllocate(0))
              .getMessage();
      assertTrue(
          other.contains(
              "is for AdaLoRA and AdaMSS with useAsa; the adapters of this model are [LORA]"),
          other);
    }
  }

  private static void assertRefused(AdaLoraConfigBuilder builder, String expected) {
    String message = assertThrows(IllegalArgumentException.class, builder::build).getMessage();
    assertTrue(message.contains(expected), message);
  }
}
