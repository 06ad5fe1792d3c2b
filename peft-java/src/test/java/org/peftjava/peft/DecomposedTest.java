package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.frod.FrodConfig;
import org.peftjava.peft.tuner.hira.HiraConfig;
import org.peftjava.peft.tuner.osf.OSFConfig;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.CausalLM;

/**
 * What DEFT, OSF, FRoD and others whose change depends on the weight do beyond what the goldens of
 * tuners measure.
 */
@ExtendWith(LedgerCheck.class)
class DecomposedTest {
  private static void disturb(PeftModel model, String adapter) {
    try (TensorScope scope = TensorScope.open("disturb")) {
      model
          .namedParameters()
          .forEach(
              (name, parameter) -> {
                if (parameter.requiresGrad() && name.contains(adapter)) {
                  Tensor old = parameter.tensor().detach();
                  parameter.copyFrom(old.add(old.copy().uniformInPlace(-0.1, 0.1)));
                }
              });
    }
  }

  /** Each changes the base's weight, not what another one made of it: acting and merged. */
  @ParameterizedTest
  @ValueSource(
      strings = {"tuner_deft", "tuner_deft_qr_gpt2", "tuner_frod", "tuner_osf", "tuner_hira"})
  void severalAddTheirChanges(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      model.loadAdapter(tuner.adapter(), o -> o.adapterName("second").isTrainable(true));
      model.setAdapter("second");
      disturb(model, "second");
      model.setAdapter("default", "second");
      model.eval();
      Tensor acting = tuner.logits(model);
      model.setAdapter("second", "default");
      Goldens.assertClose(acting, tuner.logits(model), 1e-4, "in the other order");
      model.mergeAdapter();
      Goldens.assertClose(acting, tuner.logits(model), 1e-3, "merged");
      model.unmergeAdapter();
      Goldens.assertClose(acting, tuner.logits(model), 1e-3, "unmerged");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"tuner_deft", "tuner_deft_para", "tuner_frod", "tuner_osf"})
  void convertsToLoraOfFullRank(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      ConvertedLora lora = Peft.convertToLora(model, 16, "default");
      try (CausalLM fresh = tuner.openBase();
          PeftModelForCausalLM converted = Peft.getPeftModel(fresh, lora.config())) {
        Peft.setPeftModelStateDict(converted, lora.stateDict());
        converted.eval();
        Goldens.assertClose(tuner.expected("adapter.logits"), tuner.logits(converted), 1e-3, name);
      }
    }
  }

  /** What is merged into quantized weights is what acts, up to their rounding. */
  @ParameterizedTest
  @ValueSource(strings = {"tuner_deft", "tuner_frod", "tuner_osf"})
  void mergesIntoQuantizedWeights(String name) {
    try (TunerCase tuner = new TunerCase(name)) {
      BitsAndBytesConfig.builder().loadIn8bit(true).build().applyTo(tuner.base());
      try (PeftModelForCausalLM model = tuner.load()) {
        Tensor acting = tuner.logits(model);
        model.mergeAdapter();
        double gap = TinyOpt.gap(acting, tuner.logits(model));
        assertTrue(gap < 0.1 * acting.abs().max().toDouble(), "gap " + gap);
      }
    }
  }

  /** U is computed from the file's basis, here one of the same kind in another order. */
  @Test
  void frodFollowsTheBasisOfTheFile() {
    try (TunerCase tuner = new TunerCase("tuner_frod");
        PeftModelForCausalLM model =
            Peft.getPeftModel(tuner.base(), FrodConfig.builder().targetModules("q_proj").build())) {
      model.eval();
      Tensor plain = tuner.logits(tuner.base());
      Parameter basis =
          model.namedState().entrySet().stream()
              .filter(entry -> entry.getKey().contains("frod_V"))
              .findFirst()
              .orElseThrow()
              .getValue();
      basis.copyFrom(basis.tensor().neg());
      Goldens.assertClose(plain, tuner.logits(model), 1e-4, "the same weight in another basis");
    }
  }

  @Test
  void frodWithoutBasesInItsFile(@TempDir Path folder) {
    FrodConfig config =
        FrodConfig.builder()
            .targetModules("q_proj", "fc1")
            .sparseRate(0.2)
            .saveProjection(false)
            .build();
    try (TunerCase tuner = new TunerCase("tuner_frod");
        CausalLM second = tuner.openBase();
        PeftModelForCausalLM model = Peft.getPeftModel(tuner.base(), config)) {
      disturb(model, "default");
      model.eval();
      model.savePretrained(folder);
      try (PeftModelForCausalLM loaded = PeftModel.fromPretrained(second, folder.toString())) {
        assertArrayEquals(tuner.logits(model).toFloats(), tuner.logits(loaded).toFloats(), 1e-5f);
      }
    }
  }

  @Test
  void frodDropsInTrainingOnly() {
    FrodConfig config =
        FrodConfig.builder().targetModules("q_proj", "fc1").frodDropout(0.5).build();
    try (TunerCase tuner = new TunerCase("tuner_frod");
        PeftModelForCausalLM model = Peft.getPeftModel(tuner.base(), config)) {
      Tensor plain = model.withoutAdapter(() -> tuner.logits(model));
      model.train(true);
      Goldens.assertClose(plain, tuner.logits(model), 1e-4, "fresh: dropped on both sides");
      disturb(model, "default");
      float[] first = tuner.logits(model).toFloats();
      assertFalse(Arrays.equals(first, tuner.logits(model).toFloats()));
      model.eval();
      assertArrayEquals(tuner.logits(model).toFloats(), tuner.logits(model).toFloats());
    }
  }

  @Test
  void refusesWhatCannotBe() {
    try (TunerCase tuner = new TunerCase("tuner_osf")) {
      List<TunerConfig> wrong =
          List.of(
              OSFConfig.builder().targetModules("q_proj").effectiveRank(16).build(),
              OSFConfig.builder().targetModules("q_proj").rankPattern(Map.of("q", 1.0)).build());
      for (TunerConfig config : wrong) {
        String message =
            assertThrows(
                    IllegalArgumentException.class, () -> Peft.getPeftModel(tuner.base(), config))
                .getMessage();
        assertTrue(message.contains("singular values"), message);
      }
      assertThrows(
          IllegalArgumentException.class, () -> OSFConfig.builder().effectiveRank(0).build());
      assertThrows(
          IllegalArgumentException.class, () -> FrodConfig.builder().sparseRate(1.5).build());
      assertEquals(0.25, FrodConfig.builder().sparseRate(0.25).build().sparseRate());
    }
  }

  /** As in Python, where null is no wish for the usual start. */
  @Test
  void hiraWithoutAStartIsRandom() {
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model =
            Peft.getPeftModel(
                opt.base(), HiraConfig.builder().r(2).build().with("init_weights", null))) {
      Peft.getPeftModelStateDict(model)
          .forEach((key, value) -> assertTrue(value.abs().max().toDouble() > 0.1, key));
    }
  }
}
