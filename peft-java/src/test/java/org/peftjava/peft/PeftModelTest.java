package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
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
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.Architectures;

/** Life of a model with adapters: ownership, state, merging of tied weights, counts. */
@ExtendWith(LedgerCheck.class)
class PeftModelTest {
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
    Tensor before = tiny.logits(base);
    base.requiresGrad(true);
    Map<String, Parameter> state = base.namedState();
    PeftModelForCausalLM model = Peft.getPeftModel(base, TinyOpt.QV);
    assertTrue(
        base.namedState().containsKey("model.decoder.layers.0.self_attn.q_proj.base_layer.weight"));
    assertTrue(TinyOpt.gap(before, tiny.logits(model)) > 1e-3);
    model.mergeAdapter();
    model.close();
    assertEquals(state.keySet(), base.namedState().keySet());
    assertTrue(base.namedParameters().values().stream().allMatch(Parameter::requiresGrad));
    assertTrue(TinyOpt.gap(before, tiny.logits(base)) < 1e-4);
    assertThrows(IllegalStateException.class, () -> model.setAdapter("default"));
  }

  @Test
  void closingAfterTheBaseIsHarmless() {
    PeftModelForCausalLM model = Peft.getPeftModel(base, TinyOpt.QV);
    model.mergeAdapter();
    base.close();
    model.close();
    assertThrows(IllegalStateException.class, model::activeAdapters);
  }

  @Test
  void aModelIsWrappedOnce() {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, TinyOpt.QV)) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> Peft.getPeftModel(base, TinyOpt.QV))
              .getMessage();
      assertTrue(message.startsWith("OPTForCausalLM already has adapters. "), message);
      assertThrows(IllegalArgumentException.class, () -> model.addAdapter("default", TinyOpt.QV));
      assertThrows(IllegalArgumentException.class, () -> model.addAdapter("a.b", TinyOpt.QV));
      assertEquals(List.of("default"), List.copyOf(model.peftConfig().keySet()));
    }
  }

  @Test
  void aFailedConstructionLeavesTheBaseAlone() {
    base.requiresGrad(true);
    assertThrows(
        IllegalArgumentException.class,
        () -> Peft.getPeftModel(base, TinyOpt.QV.toBuilder().targetModules("nothing").build()));
    assertThrows(
        IllegalArgumentException.class,
        () -> Peft.getPeftModel(base, TinyOpt.QV.toBuilder().taskType(TaskType.SEQ_CLS).build()));
    assertTrue(base.namedParameters().values().stream().allMatch(Parameter::requiresGrad));
    assertTrue(TinyOpt.gap(tiny.baseLogits(), tiny.logits(base)) < 1e-4);
  }

  @Test
  void adaptersCannotBeSwitchedDuringAForwardPass() throws InterruptedException {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, TinyOpt.QV)) {
      model.addAdapter("b", TinyOpt.QV);
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
  void onlyOneAdapterTrainsBiases() {
    LoraConfig biased = TinyOpt.QV.toBuilder().bias(LoraConfig.Bias.LORA_ONLY).build();
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, biased)) {
      assertThrows(IllegalArgumentException.class, () -> model.addAdapter("b", biased));
      model.addAdapter("c", TinyOpt.QV);
      String bias = "base_model.model.model.decoder.layers.0.self_attn.q_proj.base_layer.bias";
      assertTrue(model.namedParameters().get(bias).requiresGrad());
      model.setAdapter("c");
      assertFalse(model.namedParameters().get(bias).requiresGrad());
    }
  }

  @Test
  void theAutoModelOwnsItsBase(@TempDir Path folder) {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, TinyOpt.QV)) {
      model.savePretrained(folder);
      Tensor expected = tiny.logits(model);
      try (PeftModelForCausalLM auto = AutoPeftModelForCausalLM.fromPretrained(folder.toString())) {
        assertTrue(TinyOpt.gap(expected, tiny.logits(auto)) < 1e-5);
        assertEquals(
            TinyOpt.FOLDER.toString(),
            auto.peftConfig().get("default").baseModelNameOrPath().orElseThrow());
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
            adapter, options -> options.baseModelNameOrPath(TinyOpt.FOLDER.toString()))) {
      assertEquals(List.of("default"), auto.activeAdapters());
    }
  }
}
