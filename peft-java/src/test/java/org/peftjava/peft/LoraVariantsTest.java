package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.CombinationType;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.lora.KasaConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraConfigBuilder;
import org.peftjava.peft.tuner.lora.VeloraConfig;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.CausalLM;

/** What KaSA, VeLoRA and QALoRA do beyond what the goldens of tuners measure. */
@ExtendWith(LedgerCheck.class)
class LoraVariantsTest {
  private static LoraConfigBuilder kasa(int r) {
    return LoraConfig.builder()
        .r(r)
        .loraAlpha(5)
        .targetModules("q_proj")
        .kasaConfig(KasaConfig.builder().beta(0.5).gamma(0).build());
  }

  private static Parameter parameter(PeftModel model, String part) {
    return model.namedState().entrySet().stream()
        .filter(entry -> entry.getKey().contains(part))
        .findFirst()
        .orElseThrow()
        .getValue();
  }

  /** Python refuses to merge QALoRA. */
  @ParameterizedTest
  @ValueSource(strings = {"tuner_qalora", "tuner_qalora_gpt2"})
  void qaloraMergesAndConverts(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      Tensor expected = tuner.expected("adapter.logits");
      model.mergeAdapter();
      Goldens.assertClose(expected, tuner.logits(model), 4e-5, "merged");
      model.unmergeAdapter();
      Goldens.assertClose(expected, tuner.logits(model), 4e-5, "unmerged");
      ConvertedLora lora = Peft.convertToLora(model, 4, "default"); // all of its rank
      try (CausalLM fresh = tuner.openBase();
          PeftModelForCausalLM converted = Peft.getPeftModel(fresh, lora.config())) {
        Peft.setPeftModelStateDict(converted, lora.stateDict());
        converted.eval();
        Goldens.assertClose(expected, tuner.logits(converted), 4e-5, "converted");
      }
      Goldens.assertClose(expected, tuner.logits(model.mergeAndUnload()), 4e-5, "unloaded");
    }
  }

  @Test
  void qaloraNeedsFeaturesThatDivide() {
    try (TunerCase tuner = new TunerCase("tuner_qalora")) {
      LoraConfig config =
          LoraConfig.builder().targetModules("q_proj").useQalora(true).qaloraGroupSize(5).build();
      String message =
          assertThrows(
                  IllegalArgumentException.class, () -> Peft.getPeftModel(tuner.base(), config))
              .getMessage();
      assertTrue(message.contains("16 input features"), message);
      assertTrue(message.contains("groups of 5"), message);
    }
  }

  @Test
  void kasaStandsAloneAndLeavesAValue() {
    try (TunerCase tuner = new TunerCase("tuner_kasa")) {
      float[] plain = tuner.logits(tuner.base()).toFloats();
      assertThrows(
          IllegalArgumentException.class, () -> Peft.getPeftModel(tuner.base(), kasa(16).build()));
      assertArrayEquals(plain, tuner.logits(tuner.base()).toFloats(), "nothing has changed");
      TunerConfig lora = LoraConfig.builder().targetModules("q_proj").build();
      try (PeftModelForCausalLM model = Peft.getPeftModel(tuner.base(), kasa(15).build())) {
        float[] truncated = tuner.logits(model).toFloats();
        assertFalse(Arrays.equals(plain, truncated));
        assertThrows(IllegalArgumentException.class, () -> model.addAdapter("plain", lora));
        model.addAdapter("second", kasa(15).build());
        assertThrows(
            UnsupportedOperationException.class,
            () -> model.addWeightedAdapter(List.of("default", "second"), List.of(1.0, 1.0), "x"));
        assertThrows(
            UnsupportedOperationException.class, () -> Peft.convertToLora(model, 2, "default"));
        assertArrayEquals(truncated, tuner.logits(model).toFloats(), 1e-5f, "truncated once");
      }
      try (PeftModelForCausalLM model = Peft.getPeftModel(tuner.base(), lora)) {
        assertThrows(
            IllegalArgumentException.class, () -> model.addAdapter("kasa", kasa(2).build()));
      }
    }
  }

  @Test
  void kasaOverQuantizedWeightsTruncatesThem() {
    try (TunerCase tuner = new TunerCase("tuner_kasa")) {
      BitsAndBytesConfig.builder().loadIn8bit(true).build().applyTo(tuner.base());
      Tensor plain = tuner.logits(tuner.base());
      try (PeftModelForCausalLM model = Peft.getPeftModel(tuner.base(), kasa(15).build())) {
        model.eval();
        assertTrue(plain.sub(tuner.logits(model)).abs().max().toDouble() > 1e-2);
      }
    }
  }

  /** Beta alone: the sum of the squares of the factors of both layers. */
  @Test
  void kasaCostsInTrainingOnly() {
    try (TunerCase tuner = new TunerCase("tuner_kasa");
        PeftModelForCausalLM model = Peft.getPeftModel(tuner.base(), kasa(2).build())) {
      model
          .namedState()
          .forEach(
              (name, parameter) -> {
                if (name.contains("lora_diag")) {
                  parameter.copyFrom(Creation.full(DType.FLOAT32, 3, 2));
                }
              });
      model.eval();
      double loss = tuner.loss(model).toDouble();
      assertEquals(0, model.trainingPenalty().orElseThrow().toDouble());
      model.train(true);
      assertEquals(loss + 0.5 * 2 * 2 * 9, tuner.loss(model).toDouble(), 1e-3);
    }
  }

  /** Python forgets that a loaded direction was found already. */
  @Test
  void veloraKeepsADirectionThatWasFoundOnce() {
    try (TunerCase tuner = new TunerCase("tuner_velora_once");
        PeftModelForCausalLM model = tuner.load()) {
      Parameter direction = parameter(model, "velora_embed");
      tuner.loss(model);
      assertEquals(0, direction.tensor().abs().max().toDouble(), "none in evaluation");
      model.train(true);
      tuner.loss(model);
      float[] found = direction.tensor().toFloats();
      assertEquals(1, direction.tensor().pow(2).sum().toDouble(), 1e-5);
      try (TensorScope scope = TensorScope.open("turned")) {
        parameter(model, "lora_A").copyFrom(parameter(model, "lora_A").tensor().detach().mul(2));
      }
      tuner.loss(model);
      assertArrayEquals(found, direction.tensor().toFloats());
    }
  }

  /** With as many groups as features the input is kept whole, and the gradient is LoRA's. */
  @Test
  void veloraWithAGroupForEachFeatureIsLora() {
    try (TunerCase tuner = new TunerCase("tuner_velora")) {
      LoraConfigBuilder plain = LoraConfig.builder().r(2).loraAlpha(5).targetModules("fc1");
      VeloraConfig whole = VeloraConfig.builder().numGroups(16).build();
      float[][] gradients = new float[2][];
      for (int i = 0; i < 2; i++) {
        LoraConfig config = i == 0 ? plain.build() : plain.veloraConfig(whole).build();
        try (PeftModelForCausalLM model = Peft.getPeftModel(tuner.base(), config)) {
          model.train(true);
          for (String name : List.of("lora_A", "lora_B")) {
            Parameter matrix = parameter(model, name);
            matrix.copyFrom(Creation.full(DType.FLOAT32, 0.1, matrix.shape().toArray()));
          }
          tuner.loss(model).backward();
          gradients[i] = parameter(model, "lora_A").tensor().grad().orElseThrow().toFloats();
          model.zeroGrad();
        }
      }
      assertArrayEquals(gradients[0], gradients[1], 1e-5f);
    }
  }

  @Test
  void veloraAdaptersCombine() {
    try (TunerCase tuner = new TunerCase("tuner_velora");
        PeftModelForCausalLM model = tuner.load()) {
      model.loadAdapter(tuner.adapter(), o -> o.adapterName("second"));
      model.addWeightedAdapter(
          List.of("default", "second"),
          List.of(0.4, 0.6),
          "both",
          o -> o.combinationType(CombinationType.CAT));
      model.setAdapter("both");
      Goldens.assertClose(tuner.expected("adapter.logits"), tuner.logits(model), 4e-5, "combined");
    }
  }

  @Test
  void embeddingsAreRefused() {
    try (TunerCase tuner = new TunerCase("tuner_velora")) {
      LoraConfig config =
          LoraConfig.builder().targetModules("embed_tokens").veloraConfig(Map.of()).build();
      String message =
          assertThrows(
                  IllegalArgumentException.class, () -> Peft.getPeftModel(tuner.base(), config))
              .getMessage();
      assertTrue(message.contains("veloraConfig is for linear layers"), message);
    }
  }
}
