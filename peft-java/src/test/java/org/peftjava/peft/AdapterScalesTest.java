package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.ia3.IA3Config;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/** The strength of adapters: a LoRA of twice the alpha is the same as twice the scale. */
@ExtendWith(LedgerCheck.class)
class AdapterScalesTest {
  /** Logits of {@link TinyOpt#QV} with alpha times a factor. */
  private static float[] scaledBy(double factor) {
    try (TinyOpt opt = new TinyOpt()) {
      Randomness.manualSeed(3);
      try (PeftModelForCausalLM model =
          Peft.getPeftModel(opt.base(), TinyOpt.QV.with("lora_alpha", 10 * factor))) {
        model.eval();
        return opt.logits(model).toFloats();
      }
    }
  }

  @Test
  void scalesAreTimesWhatTheConfigGives() {
    float[] once = scaledBy(1);
    float[] half = scaledBy(0.5);
    float[] three = scaledBy(3);
    try (TinyOpt opt = new TinyOpt()) {
      Randomness.manualSeed(3);
      try (PeftModelForCausalLM model = Peft.getPeftModel(opt.base(), TinyOpt.QV)) {
        model.eval();
        model.setScale("default", 3);
        assertArrayEquals(three, opt.logits(model).toFloats(), 1e-5f);
        model.setScale("default", 3);
        assertArrayEquals(three, opt.logits(model).toFloats(), 1e-5f, "of the config's, always");
        try (PeftModel.AdapterSwitch sixth = Peft.rescaleAdapterScale(model, 1 / 6.0)) {
          assertArrayEquals(half, opt.logits(model).toFloats(), 1e-5f);
        }
        assertArrayEquals(three, opt.logits(model).toFloats(), 1e-5f, "restored");
        model.scaleLayer(1 / 3.0);
        assertArrayEquals(once, opt.logits(model).toFloats(), 1e-5f);
        model.scaleLayer(0.5);
        assertArrayEquals(half, opt.logits(model).toFloats(), 1e-5f);
        model.unscaleLayer();
        assertArrayEquals(once, opt.logits(model).toFloats(), 1e-5f);
      }
    }
  }

  @Test
  void aScaledDoraIsOneOfMoreAlphaWithTheSameMagnitude() {
    try (TinyOpt opt = new TinyOpt()) {
      Randomness.manualSeed(3);
      try (PeftModelForCausalLM model =
          Peft.getPeftModel(opt.base(), TinyOpt.QV.with("use_dora", true))) {
        model.eval();
        float[] before = opt.logits(model).toFloats();
        model.setScale("default", 2);
        Tensor scaled = opt.logits(model);
        model.mergeAdapter();
        assertArrayEquals(scaled.toFloats(), opt.logits(model).toFloats(), 1e-5f);
        model.unmergeAdapter();
        model.unscaleLayer();
        assertArrayEquals(before, opt.logits(model).toFloats(), 1e-5f);
        assertTrue(TinyOpt.gap(scaled, opt.logits(model)) > 1e-3);
      }
    }
  }

  @Test
  void aScaledAdapterMergesAsItActs() {
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model = Peft.getPeftModel(opt.base(), TinyOpt.QV)) {
      model.eval();
      model.setScale("default", 0.25);
      Tensor adapted = opt.logits(model);
      model.mergeAdapter();
      assertEquals(0, TinyOpt.gap(adapted, opt.logits(model)), 1e-5);
      assertThrows(IllegalStateException.class, () -> model.setScale("default", 2));
      assertThrows(IllegalStateException.class, () -> Peft.rescaleAdapterScale(model, 2));
      model.unmergeAdapter();
      assertEquals(
          0, TinyOpt.gap(opt.baseLogits(), model.withoutAdapter(() -> opt.logits(model))), 2e-5);
    }
  }

  @Test
  void mistakesAreNamed() {
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model = Peft.getPeftModel(opt.base(), TinyOpt.QV)) {
      assertThrows(IllegalArgumentException.class, () -> model.setScale("nope", 2));
      assertThrows(IllegalArgumentException.class, () -> model.setScale("default", Double.NaN));
    }
    IA3Config vectors =
        IA3Config.builder()
            .targetModules("q_proj")
            .feedforwardModules()
            .taskType(TaskType.CAUSAL_LM)
            .build();
    try (TinyOpt opt = new TinyOpt();
        TensorScope scope = TensorScope.open("ia3");
        PeftModelForCausalLM model = Peft.getPeftModel(opt.base(), vectors)) {
      assertThrows(IllegalArgumentException.class, () -> model.scaleLayer(2));
    }
  }
}
