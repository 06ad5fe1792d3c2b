package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.tuner.shadow.ShadowConfig;
import org.peftjava.peft.tuner.shadow.ShadowConfigBuilder;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;

/** What is ShadowPEFT's own; more numbers are in the tuner goldens and ShadowFamiliesTest. */
@ExtendWith(LedgerCheck.class)
class ShadowTest {
  private static final String OTHER = "other";

  private static ShadowConfigBuilder config() {
    return ShadowConfig.builder().r(2).shadowAlpha(0.8).initWeights(false);
  }

  @Test
  void adaptersOfDifferentLayersAndShadowsTakeTurns() {
    try (TunerCase tuner = new TunerCase("tuner_shadow");
        PeftModelForCausalLM model = tuner.load()) {
      float[] first = tuner.logits(model).toFloats();
      model.addAdapter(
          OTHER,
          config()
              .targetModules("layers.1")
              .shareEmbeddings(false)
              .shadowNumHiddenLayers(2)
              .build());
      model.setAdapter(OTHER);
      model.eval();
      float[] second = tuner.logits(model).toFloats();
      assertFalse(Arrays.equals(first, second));
      assertTrue(
          model.namedParameters().entrySet().stream()
              .filter(entry -> entry.getKey().contains("shadow_"))
              .allMatch(
                  entry -> entry.getValue().requiresGrad() == entry.getKey().contains(".other.")));
      model.setAdapter("default");
      assertArrayEquals(first, tuner.logits(model).toFloats());
      String message =
          assertThrows(IllegalArgumentException.class, () -> model.setAdapter("default", OTHER))
              .getMessage();
      assertTrue(message.contains("Only one adapter that carries a state"), message);
      model.deleteAdapter("default");
      assertArrayEquals(second, tuner.logits(model).toFloats());
      assertTrue(
          model.namedParameters().keySet().stream().noneMatch(name -> name.contains(".default.")));
    }
  }

  @Test
  void dropoutActsInTrainingOnly() {
    try (TunerCase tuner = new TunerCase("tuner_shadow");
        PeftModelForCausalLM model = tuner.load()) {
      float[] plain = tuner.logits(model).toFloats();
      model.train(true);
      Randomness.manualSeed(3);
      float[] dropped = tuner.logits(model).toFloats();
      assertFalse(Arrays.equals(plain, dropped));
      Randomness.manualSeed(3);
      assertArrayEquals(dropped, tuner.logits(model).toFloats());
    }
  }

  @Test
  void hiddenStatesAreTheBases() {
    try (TunerCase tuner = new TunerCase("tuner_shadow");
        PeftModelForCausalLM model = tuner.load();
        GradMode off = GradMode.noGrad()) {
      ModelInput asked = tuner.input(false).toBuilder().outputHiddenStates(true).build();
      List<Tensor> states = model.forward(asked).hiddenStates();
      assertEquals(List.of(16L, 16L, 16L), states.stream().map(state -> state.size(-1)).toList());
      Tensor plain = model.withoutAdapter(() -> model.forward(asked).hiddenStates().get(0));
      assertEquals(0, TinyOpt.gap(plain, states.get(0)));
      assertTrue(TinyOpt.gap(plain, states.get(1)) > 0.01);
    }
  }

  @Test
  void vectorsInPlaceOfTokensGiveTheSame() {
    for (String name : List.of("tuner_shadow", "tuner_shadow_gpt2")) {
      try (TunerCase tuner = new TunerCase(name);
          PeftModelForCausalLM model = tuner.load();
          GradMode off = GradMode.noGrad()) {
        Tensor vectors = model.getInputEmbeddings().forward(tuner.golden("in.input_ids"));
        ModelInput input = tuner.input(false).toBuilder().inputsEmbeds(vectors).build();
        Tensor logits = model.forward(input).logits().orElseThrow();
        assertEquals(
            name.equals("tuner_shadow"),
            TinyOpt.gap(logits, model.forward(tuner.input(false)).logits().orElseThrow()) < 1e-6,
            name); // a shadow with token vectors of its own reads others, as in Python
      }
    }
  }

  @Test
  void aStepInPartsHasTheSameLoss() {
    try (TunerCase tuner = new TunerCase("tuner_shadow");
        PeftModelForCausalLM model = tuner.load();
        GradMode off = GradMode.noGrad()) {
      ModelInput whole = tuner.input(true);
      Tensor labels = tuner.golden("in.labels");
      double divisor =
          labels.narrow(1, 1, labels.size(1) - 1).ne(-100).to(labels.dtype()).sum().toDouble();
      double sum = 0;
      for (int row = 0; row < 2; row++) {
        ModelInput part =
            ModelInput.builder()
                .inputIds(tuner.golden("in.input_ids").narrow(0, row, 1))
                .attentionMask(tuner.golden("in.attention_mask").narrow(0, row, 1))
                .labels(labels.narrow(0, row, 1))
                .lossDivisor(divisor)
                .build();
        sum += model.forward(part).loss().orElseThrow().toDouble();
      }
      assertEquals(model.forward(whole).loss().orElseThrow().toDouble(), sum, 1e-5);
    }
  }

  @Test
  void numbersOfLayersCountOnlyWithNames() {
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model =
            Peft.getPeftModel(opt.base(), config().layersToTransform(1).build())) {
      assertEquals(2, model.getLayerStatus().size()); // as in Python, whose default is whole paths
    }
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model =
            Peft.getPeftModel(opt.base(), config().targetModules("1").build())) {
      assertEquals(
          List.of("model.model.decoder.layers.1"),
          model.getLayerStatus().stream().map(LayerStatus::name).toList());
    }
  }

  @Test
  void loadedWithoutFirstValuesItIsTheSame() {
    try (TunerCase tuner = new TunerCase("tuner_shadow_llama");
        CausalLM second = tuner.openBase();
        PeftModelForCausalLM model = tuner.load();
        PeftModelForCausalLM lean =
            PeftModel.fromPretrained(
                second, tuner.adapter(), options -> options.lowCpuMemUsage(true))) {
      assertArrayEquals(tuner.logits(model).toFloats(), tuner.logits(lean).toFloats());
    }
  }
}
