package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;

/** Merging where it is delicate: tied weights, broken adapters, full copies, 16-bit weights. */
@ExtendWith(LedgerCheck.class)
class PeftMergingTest {
  private TinyOpt tiny;
  private CausalLM base;

  @BeforeEach
  void open() {
    tiny = new TinyOpt();
    base = tiny.base();
  }

  @AfterEach
  void close() {
    tiny.close();
  }

  @Test
  void mergingIntoATiedTableLeavesTheHeadAlone() {
    LoraConfig config = TinyOpt.QV.toBuilder().targetModules("embed_tokens").build();
    Tensor plain = tiny.logits(base);
    PeftModelForCausalLM model = Peft.getPeftModel(base, config);
    Tensor adapted = tiny.logits(model);
    assertTrue(TinyOpt.gap(plain, adapted) > 1e-2, "the adapter acts");
    model.mergeAdapter();
    assertTrue(TinyOpt.gap(adapted, tiny.logits(model)) < 1e-4, "merged equals adapted");
    model.unmergeAdapter();
    assertTrue(TinyOpt.gap(adapted, tiny.logits(model)) < 1e-4, "unmerged equals adapted");
    assertSame(
        base.namedState().get("model.decoder.embed_tokens.base_layer.weight"),
        base.namedState().get("lm_head.weight"),
        "tied again");
    CausalLM merged = model.mergeAndUnload();
    assertTrue(TinyOpt.gap(adapted, tiny.logits(merged)) < 1e-4, "unloaded equals adapted");
    assertFalse(merged.isTied());
  }

  @Test
  void theMergedTiedModelSurvivesSaving(@TempDir Path folder) {
    PeftModelForCausalLM model =
        Peft.getPeftModel(base, TinyOpt.QV.toBuilder().targetModules("lm_head", "q_proj").build());
    Tensor adapted = tiny.logits(model);
    model.mergeAndUnload().savePretrained(folder);
    try (CausalLM again = AutoModelForCausalLM.fromPretrained(folder)) {
      assertTrue(TinyOpt.gap(adapted, tiny.logits(again)) < 1e-4);
    }
  }

  @Test
  void aBrokenAdapterIsNotMerged() {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, TinyOpt.QV)) {
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
      assertTrue(
          TinyOpt.gap(before, after) < 1e-6, "layers that were merged before the broken one");
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aBrokenAdapterLeavesQuantizedWeightsAsTheyAre(boolean safe) {
    BitsAndBytesConfig.builder()
        .loadIn4bit(true)
        .bnb4bitComputeDtype(DType.FLOAT32)
        .build()
        .applyTo(base);
    try (PeftModelForCausalLM model =
        Peft.getPeftModel(base, TinyOpt.QV.toBuilder().initLoraWeights(false).build())) {
      fill(model, "layers.1.self_attn.v_proj.lora_B.default", Double.POSITIVE_INFINITY);
      assertNothingChanges(model, () -> model.mergeAdapter(options -> options.safeMerge(safe)));
      fill(model, "layers.1.self_attn.v_proj.lora_B.default", 0.1);
      model.addAdapter("broken", TinyOpt.QV);
      fill(model, "layers.1.self_attn.v_proj.lora_A.broken", Double.NaN);
      assertNothingChanges(
          model,
          () -> model.mergeAdapter(o -> o.adapterNames("default", "broken").safeMerge(safe)));
    }
  }

  private static void fill(PeftModelForCausalLM model, String layer, double value) {
    model
        .namedParameters()
        .get("base_model.model.model.decoder." + layer + ".weight")
        .tensor()
        .detach()
        .fillInPlace(value);
  }

  private void assertNothingChanges(PeftModelForCausalLM model, Executable merge) {
    Map<String, byte[]> before = bytes();
    assertTrue(
        assertThrows(IllegalStateException.class, merge).getMessage().contains("not finite"));
    Map<String, byte[]> after = bytes();
    before.forEach((name, value) -> assertArrayEquals(value, after.get(name), name));
    assertEquals(List.of(), model.getModelStatus().mergedAdapters());
  }

  private Map<String, byte[]> bytes() {
    Map<String, byte[]> result = new LinkedHashMap<>();
    base.namedState()
        .forEach(
            (name, value) ->
                result.put(
                    name, value.tensor().detach().contiguous().viewAs(DType.UINT8).toBytes()));
    return result;
  }

  @Test
  void aFullCopyOfTheHeadReplacesIt(@TempDir Path folder) {
    LoraConfig config = TinyOpt.QV.toBuilder().modulesToSave("lm_head").build();
    PeftModelForCausalLM model = Peft.getPeftModel(base, config);
    Tensor before = tiny.logits(model);
    try (GradMode off = GradMode.noGrad()) {
      Parameter copy =
          model.namedParameters().get("base_model.model.lm_head.modules_to_save.default.weight");
      assertTrue(copy.requiresGrad());
      copy.tensor().mulInPlace(1.5);
    }
    Tensor changed = tiny.logits(model);
    assertTrue(TinyOpt.gap(before.mul(1.5), changed) < 1e-4);
    Tensor disabled = model.withoutAdapter(() -> tiny.logits(model));
    assertTrue(TinyOpt.gap(disabled, tiny.baseLogits()) < 1e-4);
    model.addAdapter("b", config);
    assertThrows(IllegalArgumentException.class, () -> model.setAdapter("default", "b"));
    model.savePretrained(folder);
    CausalLM merged = model.mergeAndUnload();
    assertInstanceOf(Linear.class, ModulePath.get(merged, "lm_head"));
    assertTrue(TinyOpt.gap(changed, tiny.logits(merged)) < 1e-4);
    try (CausalLM other = AutoModelForCausalLM.fromPretrained(TinyOpt.FOLDER);
        PeftModelForCausalLM loaded = PeftModel.fromPretrained(other, folder.toString())) {
      assertTrue(TinyOpt.gap(changed, tiny.logits(loaded)) < 1e-5);
      assertFalse(loaded.isTraining());
      assertEquals(0, loaded.trainableParameters().trainable());
      loaded.setAdapter("default");
      assertTrue(loaded.trainableParameters().trainable() > 0);
    }
  }

  static Stream<LoraConfig> positionConfigs() {
    LoraConfig table = TinyOpt.QV.toBuilder().targetModules("embed_positions").build();
    return Stream.of(
        table,
        table.toBuilder().useDora(true).build(),
        LoraConfig.of(
            Map.of(
                "target_modules",
                List.of("q_proj"),
                "trainable_token_indices",
                Map.of("embed_positions", List.of(1, 3, 6)))));
  }

  /** OPT's positions are stored two rows further on, and padding has one too. */
  @ParameterizedTest
  @MethodSource("positionConfigs")
  void adaptersOfPositionsMeanRowsOfTheTable(LoraConfig config) {
    try (TunerCase tuner = new TunerCase("tuner_vera");
        PeftModelForCausalLM model = Peft.getPeftModel(tuner.base(), config)) {
      model.eval();
      Tensor before = tuner.logits(model);
      model
          .namedParameters()
          .forEach(
              (name, parameter) -> {
                if (parameter.requiresGrad()) {
                  Tensor value = parameter.tensor().detach();
                  parameter.copyFrom(value.add(value.copy().uniformInPlace(-0.3, 0.3)));
                }
              });
      Tensor adapted = tuner.logits(model);
      assertTrue(TinyOpt.gap(before, adapted) > 1e-2);
      model.mergeAdapter();
      Goldens.assertClose(adapted, tuner.logits(model), 5e-5, "merged");
    }
  }

  @Test
  void adaptersOfABfloat16BaseAreFloat32() {
    try (CausalLM half =
        AutoModelForCausalLM.fromPretrained(
            TinyOpt.FOLDER, options -> options.dtype(DType.BFLOAT16))) {
      String a = "base_model.model.model.decoder.layers.0.self_attn.q_proj.lora_A.default.weight";
      try (PeftModelForCausalLM model = Peft.getPeftModel(half, TinyOpt.QV)) {
        assertEquals(DType.FLOAT32, model.namedParameters().get(a).dtype());
        assertEquals(DType.BFLOAT16, tiny.logits(model).dtype());
        Tensor adapted = tiny.logits(model).to(DType.FLOAT32);
        model.mergeAdapter();
        assertTrue(TinyOpt.gap(adapted, tiny.logits(model).to(DType.FLOAT32)) < 0.5);
      }
      try (PeftModelForCausalLM model =
          Peft.getPeftModel(half, TinyOpt.QV, options -> options.autocastAdapterDtype(false))) {
        assertEquals(DType.BFLOAT16, model.namedParameters().get(a).dtype());
        assertEquals(DType.BFLOAT16, tiny.logits(model).dtype());
      }
    }
  }
}
