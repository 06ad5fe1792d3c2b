package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.ia3.IA3Config;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.prefixtuning.PrefixTuningConfig;
import org.peftjava.peft.tuner.prompttuning.PromptTuningConfig;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.StateDict.LoadReport;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.checkpoint.PretrainedFolder;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Functions for what lies below a PeftModel, and for its files, against golden/base_state. */
@ExtendWith(LedgerCheck.class)
class LowLevelTest {
  private static final Path OPT = Goldens.path("cpt_opt/base");

  @TempDir Path folder;

  // ---- the base model's values ----

  private static TunerConfig config(String name) {
    return switch (name) {
      case "lora" ->
          LoraConfig.builder()
              .r(3)
              .targetModules("q_proj", "embed_tokens")
              .modulesToSave("lm_head", "final_layer_norm")
              .build();
      case "tokens" ->
          LoraConfig.builder()
              .r(3)
              .targetModules("fc1")
              .trainableTokenIndices(List.of(1, 4))
              .build();
      case "ia3" ->
          IA3Config.builder().targetModules("k_proj", "fc2").feedforwardModules("fc2").build();
      case "prompt" ->
          PromptTuningConfig.builder().taskType(TaskType.CAUSAL_LM).numVirtualTokens(3).build();
      default ->
          PrefixTuningConfig.builder().taskType(TaskType.CAUSAL_LM).numVirtualTokens(3).build();
    };
  }

  @ParameterizedTest
  @ValueSource(strings = {"lora", "tokens", "ia3", "prompt", "prefix"})
  void theBasesValuesHaveItsOwnNames(String name) {
    JsonNode golden = Goldens.json(Goldens.path("base_state.json"));
    try (TensorScope scope = TensorScope.open("test");
        CausalLM base = AutoModelForCausalLM.fromPretrained(OPT)) {
      Map<String, Parameter> before = base.namedState();
      try (PeftModelForCausalLM model = Peft.getPeftModel(base, config(name))) {
        if (name.equals("lora")) {
          model.addAdapter("b", LoraConfig.builder().r(2).targetModules("q_proj", "fc1").build());
        }
        Map<String, Tensor> state = Peft.getBaseModelStateDict(model);
        assertEquals(
            new TreeSet<>(Goldens.texts(golden.get("keys").get(name))),
            new TreeSet<>(state.keySet()));
        state.forEach(
            (key, value) ->
                assertArrayEquals(before.get(key).tensor().toFloats(), value.toFloats(), key));

        Map<String, Tensor> doubled = new LinkedHashMap<>();
        try (GradMode off = GradMode.noGrad()) {
          state.forEach((key, value) -> doubled.put(key, value.mul(2)));
        }
        float[] adapter = adapter(model);
        assertTrue(Peft.setBaseModelStateDict(model, doubled).isClean());
        doubled.forEach(
            (key, value) ->
                assertArrayEquals(
                    value.toFloats(), Peft.getBaseModelStateDict(model).get(key).toFloats(), key));
        assertArrayEquals(adapter, adapter(model), "the adapter stays");
      }
    }
  }

  private static float[] adapter(PeftModel model) {
    return Peft.getPeftModelStateDict(model, o -> o.saveEmbeddingLayers(false))
        .values()
        .iterator()
        .next()
        .toFloats();
  }

  @Test
  void valuesThatAreNotTheBasesAreRefusedBeforeAnythingChanges() {
    try (TensorScope scope = TensorScope.open("test");
        CausalLM base = AutoModelForCausalLM.fromPretrained(OPT);
        PeftModelForCausalLM model = Peft.getPeftModel(base, config("ia3"))) {
      Map<String, Tensor> values = new LinkedHashMap<>(Peft.getBaseModelStateDict(model));
      Tensor head = values.remove("lm_head.weight");
      values.replaceAll((key, value) -> value.detach().mul(3));
      values.put("other.weight", values.values().iterator().next());
      float[] before = model.base().namedState().get("lm_head.weight").tensor().toFloats();
      String message =
          assertThrows(
                  IllegalArgumentException.class, () -> Peft.setBaseModelStateDict(model, values))
              .getMessage();
      assertTrue(message.contains("Missing: lm_head.weight. Unexpected: other.weight"), message);
      assertArrayEquals(before, head.toFloats());
      values.put("lm_head.weight", head.reshape(-1));
      assertThrows(
          IllegalArgumentException.class, () -> Peft.setBaseModelStateDict(model, values, false));
      values.remove("lm_head.weight");
      LoadReport report = Peft.setBaseModelStateDict(model, values, false);
      assertEquals(List.of("lm_head.weight"), report.missing());
      assertEquals(List.of("other.weight"), report.unexpected());
      model.mergeAdapter();
      assertThrows(
          IllegalStateException.class, () -> Peft.setBaseModelStateDict(model, values, false));
    }
  }

  // ---- files ----

  @Test
  void weightsAndConfigsAreReadBelowAFolder() {
    LoraConfig config =
        LoraConfig.builder()
            .r(3)
            .loraAlpha(7)
            .targetModules("q_proj")
            .initLoraWeights(false)
            .build();
    try (TensorScope scope = TensorScope.open("test");
        CausalLM base = AutoModelForCausalLM.fromPretrained(OPT)) {
      try (PeftModelForCausalLM model = Peft.getPeftModel(base, config)) {
        model.savePretrained(
            folder.resolve("run/last").toString(), o -> o.selectedAdapters("default"));
        Map<String, Tensor> saved = Peft.getPeftModelStateDict(model);
        Map<String, Tensor> read =
            Peft.loadPeftWeights(folder.toString(), o -> o.subfolder("run/last"));
        assertEquals(saved.keySet(), read.keySet());
        saved.forEach(
            (key, value) -> assertArrayEquals(value.toFloats(), read.get(key).toFloats(), key));
        assertEquals(
            read.keySet(), Peft.loadPeftWeights(folder.resolve("run/last").toString()).keySet());
      }
      assertInstanceOf(
          LoraConfig.class,
          PeftConfig.fromPretrained(folder.toString(), o -> o.subfolder("run/last")));
      try (PeftModelForCausalLM model =
          PeftModel.fromPretrained(base, folder.toString(), o -> o.subfolder("run/last"))) {
        model.loadAdapter(folder, o -> o.subfolder("run/last").adapterName("again"));
        model.loadAdapter(folder.toString(), "third", o -> o.subfolder("run/last"));
        assertEquals(
            List.of("default", "again", "third"), List.copyOf(model.peftConfig().keySet()));
        assertEquals(model.trainableParameters(), model.getNbTrainableParameters());
      }
      for (String wrong : List.of("../run", "run/../..", "/run", "run//last", "")) {
        String message =
            assertThrows(
                    IllegalArgumentException.class,
                    () ->
                        PeftModel.fromPretrained(base, folder.toString(), o -> o.subfolder(wrong)))
                .getMessage();
        assertTrue(message.startsWith("subfolder is \"" + wrong + "\""), message);
      }
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> PretrainedFolder.below(folder, Optional.of("none")))
              .getMessage();
      assertTrue(message.startsWith("There is no folder \"none\" in"), message);
    }
  }

  @Test
  void aConfigComesFromAMapAndGoesToItsFileAlone() {
    TunerConfig config =
        Peft.getPeftConfig(
            Map.of(
                "peft_type",
                "LORA",
                "task_type",
                TaskType.CAUSAL_LM,
                "r",
                5,
                "lora_alpha",
                9,
                "lora_dropout",
                0.25f,
                "target_modules",
                List.of("q_proj", "v_proj"),
                "rank_pattern",
                Map.of("q_proj", 2)));
    LoraConfig lora = assertInstanceOf(LoraConfig.class, config);
    assertEquals(5, lora.r());
    assertEquals(0.25, lora.loraDropout());
    PeftConfig.savePretrained(config, folder);
    assertEquals(config, PeftConfig.fromPretrained(folder));
    assertThrows(
        IllegalArgumentException.class, () -> Peft.getPeftConfig(Map.of("peft_type", "LORO")));
  }

  // ---- switches ----

  @Test
  void adapterLayersStayOffUntilTheyAreSwitchedOn() {
    try (CausalLM base = AutoModelForCausalLM.fromPretrained(OPT);
        PeftModelForCausalLM model =
            Peft.getPeftModel(
                base,
                LoraConfig.builder().r(3).targetModules("q_proj").initLoraWeights(false).build(),
                "mine")) {
      float[] adapted = logits(model);
      model.disableAdapterLayers();
      float[] plain = logits(model);
      assertNotEquals(adapted[adapted.length - 1], plain[plain.length - 1]);
      assertArrayEquals(plain, model.withoutAdapter(() -> logits(model)));
      assertArrayEquals(plain, logits(model), "still off");
      model.enableAdapterLayers();
      assertArrayEquals(adapted, logits(model));
      assertEquals(List.of("mine"), model.activeAdapters());
    }
  }

  private static float[] logits(PeftModelForCausalLM model) {
    try (TensorScope scope = TensorScope.open("logits");
        GradMode off = GradMode.noGrad()) {
      return model
          .forward(TokenBatch.of(new long[][] {{3, 9, 20}}))
          .logits()
          .orElseThrow()
          .toFloats();
    }
  }
}
