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
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.ia3.IA3Config;
import org.peftjava.peft.tuner.loha.LoHaConfig;
import org.peftjava.peft.tuner.lokr.LoKrConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;
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

  /** LoRA's kinds that have a strength. */
  static List<String> kinds() {
    return List.of(
        "tuner_lora_gemma3",
        "tuner_dora",
        "tuner_dora_embedding",
        "tuner_adalora",
        "tuner_bdlora",
        "tuner_pissa",
        "tuner_replication",
        "lora_saved_tied");
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void rescalingIsASecondScaleThatEnds(String kind) {
    try (TunerCase tuner = new TunerCase(kind);
        PeftModelForCausalLM model = tuner.load()) {
      float[] once = tuner.logits(model).toFloats();
      model.setScale("default", 0.75);
      float[] scaled = tuner.logits(model).toFloats();
      try (PeftModel.AdapterSwitch third = Peft.rescaleAdapterScale(model, 1 / 3.0)) {
        float[] quarter = tuner.logits(model).toFloats();
        assertFalse(Arrays.equals(scaled, quarter), "it acts");
        model.setScale("default", 0.25);
        assertArrayEquals(quarter, tuner.logits(model).toFloats(), 1e-5f);
        try (PeftModel.AdapterSwitch none = Peft.rescaleAdapterScale(model, 0)) {
          assertFalse(Arrays.equals(quarter, tuner.logits(model).toFloats()), "nothing added");
        }
        assertArrayEquals(quarter, tuner.logits(model).toFloats(), 1e-5f, "from 0, too");
      }
      assertArrayEquals(scaled, tuner.logits(model).toFloats(), "restored bit for bit");
      model.unscaleLayer();
      assertArrayEquals(once, tuner.logits(model).toFloats());
    }
  }

  /** Python has set_scale for them too: so many times alpha/r. */
  @ParameterizedTest
  @ValueSource(strings = {"LOHA", "LOKR"})
  void lycorisAdaptersAreScaledAsByTheirAlpha(String type) {
    float[] once = lycoris(type, 10, 1);
    float[] half = lycoris(type, 5, 1);
    assertFalse(Arrays.equals(once, half), "alpha acts");
    assertArrayEquals(half, lycoris(type, 10, 0.5), 1e-5f);
    assertArrayEquals(once, lycoris(type, 5, 2), 1e-5f);
  }

  private static float[] lycoris(String type, int alpha, double scale) {
    Map<String, Object> values =
        Map.of("r", 4, "alpha", alpha, "init_weights", false, "target_modules", List.of("q_proj"));
    try (TinyOpt opt = new TinyOpt()) {
      Randomness.manualSeed(3);
      TunerConfig config = type.equals("LOHA") ? LoHaConfig.of(values) : LoKrConfig.of(values);
      try (PeftModelForCausalLM model = Peft.getPeftModel(opt.base(), config)) {
        model.eval();
        model.setScale("default", 4);
        model.unscaleLayer();
        model.scaleLayer(scale);
        return opt.logits(model).toFloats();
      }
    }
  }

  @Test
  void layersThatShareAnAdapterScaleItOnce() {
    LoraConfig tied =
        TinyOpt.QV
            .with("target_modules", List.of("embed_tokens", "lm_head"))
            .with("ensure_weight_tying", true);
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model = Peft.getPeftModel(opt.base(), tied)) {
      model.eval();
      float[] once = opt.logits(model).toFloats();
      model.setScale("default", 4);
      float[] four = opt.logits(model).toFloats();
      model.unscaleLayer();
      try (PeftModel.AdapterSwitch rescaled = Peft.rescaleAdapterScale(model, 4)) {
        assertArrayEquals(four, opt.logits(model).toFloats());
      }
      assertArrayEquals(once, opt.logits(model).toFloats());
    }
  }

  @Test
  void parametersOfLayersRescaleToo() {
    LoraConfig config =
        LoraConfig.builder()
            .r(4)
            .loraAlpha(10)
            .targetModules()
            .targetParameters("q_proj.weight", "v_proj.weight")
            .taskType(TaskType.CAUSAL_LM)
            .initLoraWeights(false)
            .build();
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model = Peft.getPeftModel(opt.base(), config)) {
      model.eval();
      float[] once = opt.logits(model).toFloats();
      model.setScale("default", 0);
      float[] plain = opt.logits(model).toFloats();
      model.unscaleLayer();
      try (PeftModel.AdapterSwitch off = Peft.rescaleAdapterScale(model, 0)) {
        assertArrayEquals(plain, opt.logits(model).toFloats());
      }
      assertArrayEquals(once, opt.logits(model).toFloats());
    }
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model = Peft.getPeftModel(opt.base(), config.with("lora_alpha", 0))) {
      model.eval();
      model.setScale("default", 2);
      assertEquals(0, TinyOpt.gap(opt.baseLogits(), opt.logits(model)), 2e-5, "of nothing");
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
