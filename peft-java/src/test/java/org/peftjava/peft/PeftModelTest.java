package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.Architectures;

/** Life of a model with adapters: ownership, state, merging of tied weights, counts. */
@ExtendWith(LedgerCheck.class)
class PeftModelTest {
  private static final Path BASE = Goldens.path("opt_lora/base");
  private static final LoraConfig QV =
      LoraConfig.builder()
          .r(4)
          .loraAlpha(10)
          .targetModules("q_proj", "v_proj")
          .taskType(TaskType.CAUSAL_LM)
          .initLoraWeights(false)
          .build();

  private TensorScope scope;
  private CausalLM base;
  private Map<String, Tensor> golden;

  @BeforeEach
  void open() {
    scope = TensorScope.openGraph("test");
    base = AutoModelForCausalLM.fromPretrained(BASE);
    golden = Goldens.tensors("opt_lora/io.safetensors");
  }

  @AfterEach
  void close() {
    base.close();
    scope.close();
  }

  private Tensor logits(CausalLanguageModel model) {
    try (GradMode off = GradMode.noGrad()) {
      ModelInput input =
          ModelInput.builder()
              .inputIds(golden.get("in.input_ids"))
              .attentionMask(golden.get("in.attention_mask"))
              .build();
      Tensor mask = golden.get("in.attention_mask").eq(0).unsqueeze(-1);
      return model.forward(input).logits().orElseThrow().maskedFill(mask, 0);
    }
  }

  private static double gap(Tensor a, Tensor b) {
    return a.sub(b).abs().max().toDouble();
  }

  @Test
  void countsArePythons() {
    for (JsonNode size : Goldens.json(Goldens.path("counts.json")).get("models")) {
      ConfigJson json =
          ConfigJson.parse(size.get("config").toString(), Path.of("config.json"))
              .with("model_type", "opt");
      try (CausalLM large =
          AutoModelForCausalLM.withoutWeights(
              Architectures.get("opt").config(json), DType.FLOAT32)) {
        for (JsonNode row : size.get("lora")) {
          LoraConfig config = LoraConfig.of(Goldens.map(row.get("config")));
          try (PeftModelForCausalLM model = Peft.getPeftModel(large, config)) {
            assertEquals(row.get("printed").textValue(), model.trainableParameters().toString());
          }
        }
      }
    }
  }

  @Test
  void closingGivesTheBaseBack() {
    Tensor before = logits(base);
    base.requiresGrad(true);
    Map<String, Parameter> state = base.namedState();
    PeftModelForCausalLM model = Peft.getPeftModel(base, QV);
    assertTrue(
        base.namedState().containsKey("model.decoder.layers.0.self_attn.q_proj.base_layer.weight"));
    assertTrue(gap(before, logits(model)) > 1e-3);
    model.mergeAdapter();
    model.close();
    assertEquals(state.keySet(), base.namedState().keySet());
    assertTrue(base.namedParameters().values().stream().allMatch(Parameter::requiresGrad));
    assertTrue(gap(before, logits(base)) < 1e-4);
    assertThrows(IllegalStateException.class, () -> model.setAdapter("default"));
  }

  @Test
  void closingAfterTheBaseIsHarmless() {
    PeftModelForCausalLM model = Peft.getPeftModel(base, QV);
    model.mergeAdapter();
    base.close();
    model.close();
    assertThrows(IllegalStateException.class, model::activeAdapters);
  }

  @Test
  void aModelIsWrappedOnce() {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, QV)) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> Peft.getPeftModel(base, QV))
              .getMessage();
      assertTrue(message.startsWith("OPTForCausalLM already has adapters. "), message);
      assertThrows(IllegalArgumentException.class, () -> model.addAdapter("default", QV));
      assertThrows(IllegalArgumentException.class, () -> model.addAdapter("a.b", QV));
      assertEquals(List.of("default"), List.copyOf(model.peftConfig().keySet()));
    }
  }

  @Test
  void aFailedConstructionLeavesTheBaseAlone() {
    base.requiresGrad(true);
    assertThrows(
        IllegalArgumentException.class,
        () -> Peft.getPeftModel(base, QV.toBuilder().targetModules("nothing").build()));
    assertThrows(
        IllegalArgumentException.class,
        () -> Peft.getPeftModel(base, QV.toBuilder().taskType(TaskType.SEQ_CLS).build()));
    assertTrue(base.namedParameters().values().stream().allMatch(Parameter::requiresGrad));
    Goldens.assertClose(
        golden
            .get("base.logits")
            .maskedFill(golden.get("in.attention_mask").eq(0).unsqueeze(-1), 0),
        logits(base),
        1e-5,
        "base");
  }

  @Test
  void adaptersCannotBeSwitchedDuringAForwardPass() throws InterruptedException {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, QV)) {
      model.addAdapter("b", QV);
      try (var running = model.tuned().adapters().run()) {
        assertThrows(IllegalStateException.class, () -> model.setAdapter("b"));
        assertThrows(IllegalStateException.class, model::disableAdapter);
        assertThrows(IllegalStateException.class, model::mergeAdapter);
      }
      model.setAdapter("b");
      assertEquals(List.of("b"), model.activeAdapters());
    }
  }

  @Test
  void mergingIntoATiedTableLeavesTheHeadAlone() {
    LoraConfig config = QV.toBuilder().targetModules("embed_tokens").build();
    Tensor plain = logits(base);
    PeftModelForCausalLM model = Peft.getPeftModel(base, config);
    Tensor adapted = logits(model);
    assertTrue(gap(plain, adapted) > 1e-2, "the adapter acts");
    model.mergeAdapter();
    assertTrue(gap(adapted, logits(model)) < 1e-4, "merged equals adapted");
    model.unmergeAdapter();
    assertTrue(gap(adapted, logits(model)) < 1e-4, "unmerged equals adapted");
    assertSame(
        base.namedState().get("model.decoder.embed_tokens.base_layer.weight"),
        base.namedState().get("lm_head.weight"),
        "tied again");
    CausalLM merged = model.mergeAndUnload();
    assertTrue(gap(adapted, logits(merged)) < 1e-4, "unloaded equals adapted");
    assertFalse(merged.isTied());
  }

  @Test
  void theMergedTiedModelSurvivesSaving(@TempDir Path folder) {
    PeftModelForCausalLM model =
        Peft.getPeftModel(base, QV.toBuilder().targetModules("lm_head", "q_proj").build());
    Tensor adapted = logits(model);
    model.mergeAndUnload().savePretrained(folder);
    try (CausalLM again = AutoModelForCausalLM.fromPretrained(folder)) {
      assertTrue(gap(adapted, logits(again)) < 1e-4);
    }
  }

  @Test
  void aBrokenAdapterIsNotMerged() {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, QV)) {
      model
          .namedParameters()
          .get("base_model.model.model.decoder.layers.1.self_attn.v_proj.lora_B.default.weight")
          .tensor()
          .detach()
          .fillInPlace(Double.NaN);
      Tensor before =
          base.namedState()
              .get("model.decoder.layers.0.self_attn.q_proj.base_layer.weight")
              .tensor()
              .copy();
      IllegalStateException error =
          assertThrows(
              IllegalStateException.class,
              () -> model.mergeAdapter(options -> options.safeMerge(true)));
      assertTrue(
          error.getMessage().startsWith("Merging adapter \"default\" gives weights that are"));
      assertEquals(List.of(), model.getModelStatus().mergedAdapters());
      Tensor after =
          base.namedState()
              .get("model.decoder.layers.0.self_attn.q_proj.base_layer.weight")
              .tensor();
      assertTrue(gap(before, after) < 1e-6, "layers that were merged before the broken one");
    }
  }

  @Test
  void aFullCopyOfTheHeadReplacesIt(@TempDir Path folder) {
    LoraConfig config = QV.toBuilder().modulesToSave("lm_head").build();
    PeftModelForCausalLM model = Peft.getPeftModel(base, config);
    Tensor before = logits(model);
    try (GradMode off = GradMode.noGrad()) {
      Parameter copy =
          model.namedParameters().get("base_model.model.lm_head.modules_to_save.default.weight");
      assertTrue(copy.requiresGrad());
      copy.tensor().mulInPlace(1.5);
    }
    Tensor changed = logits(model);
    assertTrue(gap(before.mul(1.5), changed) < 1e-4);
    Tensor disabled = model.withoutAdapter(() -> logits(model));
    assertTrue(
        gap(
                disabled,
                golden
                    .get("base.logits")
                    .maskedFill(golden.get("in.attention_mask").eq(0).unsqueeze(-1), 0))
            < 1e-4);
    model.addAdapter("b", config);
    assertThrows(IllegalArgumentException.class, () -> model.setAdapter("default", "b"));
    model.savePretrained(folder);
    CausalLM merged = model.mergeAndUnload();
    assertInstanceOf(Linear.class, ModulePath.get(merged, "lm_head"));
    assertTrue(gap(changed, logits(merged)) < 1e-4);
    try (CausalLM other = AutoModelForCausalLM.fromPretrained(BASE);
        PeftModelForCausalLM loaded = PeftModel.fromPretrained(other, folder.toString())) {
      assertTrue(gap(changed, logits(loaded)) < 1e-5);
      assertFalse(loaded.isTraining());
      assertEquals(0, loaded.trainableParameters().trainable());
      loaded.setAdapter("default");
      assertTrue(loaded.trainableParameters().trainable() > 0);
    }
  }

  @Test
  void onlyOneAdapterTrainsBiases() {
    LoraConfig biased = QV.toBuilder().bias(LoraConfig.Bias.LORA_ONLY).build();
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, biased)) {
      assertThrows(IllegalArgumentException.class, () -> model.addAdapter("b", biased));
      model.addAdapter("c", QV);
      String bias = "base_model.model.model.decoder.layers.0.self_attn.q_proj.base_layer.bias";
      assertTrue(model.namedParameters().get(bias).requiresGrad());
      model.setAdapter("c");
      assertFalse(model.namedParameters().get(bias).requiresGrad());
    }
  }

  @Test
  void theAutoModelOwnsItsBase(@TempDir Path folder) {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, QV)) {
      model.savePretrained(folder);
      Tensor expected = logits(model);
      try (PeftModelForCausalLM auto = AutoPeftModelForCausalLM.fromPretrained(folder.toString())) {
        assertTrue(gap(expected, logits(auto)) < 1e-5);
        assertEquals(
            BASE.toString(), auto.peftConfig().get("default").baseModelNameOrPath().orElseThrow());
      }
    }
    Path adapter = Goldens.path("opt_lora/adapter");
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> AutoPeftModelForCausalLM.fromPretrained(adapter.toString()))
            .getMessage();
    assertTrue(message.contains("does not name its base model"), message);
    try (PeftModelForCausalLM auto =
        AutoPeftModelForCausalLM.fromPretrained(
            adapter, options -> options.baseModelNameOrPath(BASE.toString()))) {
      assertEquals(List.of("default"), auto.activeAdapters());
    }
  }

  @Test
  void adaptersOfABfloat16BaseAreFloat32() {
    try (CausalLM half =
        AutoModelForCausalLM.fromPretrained(BASE, options -> options.dtype(DType.BFLOAT16))) {
      String a = "base_model.model.model.decoder.layers.0.self_attn.q_proj.lora_A.default.weight";
      try (PeftModelForCausalLM model = Peft.getPeftModel(half, QV)) {
        assertEquals(DType.FLOAT32, model.namedParameters().get(a).dtype());
        assertEquals(DType.BFLOAT16, logits(model).dtype());
        Tensor adapted = logits(model).to(DType.FLOAT32);
        model.mergeAdapter();
        assertTrue(gap(adapted, logits(model).to(DType.FLOAT32)) < 0.5);
      }
      try (PeftModelForCausalLM model =
          Peft.getPeftModel(half, QV, options -> options.autocastAdapterDtype(false))) {
        assertEquals(DType.BFLOAT16, model.namedParameters().get(a).dtype());
        assertEquals(DType.BFLOAT16, logits(model).dtype());
      }
    }
  }
}
