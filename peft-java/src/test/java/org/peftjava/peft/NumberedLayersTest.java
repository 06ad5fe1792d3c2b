package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lily.LilyConfig;
import org.peftjava.peft.tuner.psoft.PsoftConfig;
import org.peftjava.peft.tuner.tinylora.TinyLoraConfig;
import org.peftjava.peft.tuner.unilora.UniLoraConfig;

/** Methods whose adapters depend on the number of a layer, or on what the base weights are. */
@ExtendWith(LedgerCheck.class)
class NumberedLayersTest {
  private static final String SECOND = "second";

  private static LayerAdapter adapter(PeftModel model, int layer, String name) {
    String path = "model.decoder.layers." + layer + ".self_attn." + name;
    return Objects.requireNonNull(
        Objects.requireNonNull(model.tuned().layers().get(path)).adapters().get("default"));
  }

  private static float[] logits(TinyOpt opt, PeftModelForCausalLM model) {
    model.eval();
    return opt.logits(model).toFloats();
  }

  /** In Python a layer keeps the number that it had in the first adapter. */
  @Test
  void aSecondAdapterNumbersLayersItself(@TempDir Path folder) {
    TinyLoraConfig.Builder tiny =
        TinyLoraConfig.builder()
            .taskType(TaskType.CAUSAL_LM)
            .saveProjection(false)
            .initWeights("uniform")
            .initVBound(0.9);
    float[] alone;
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model =
            Peft.getPeftModel(opt.base(), tiny.targetModules("fc1", "fc2").build())) {
      model.savePretrained(folder);
      alone = logits(opt, model);
    }
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model =
            Peft.getPeftModel(opt.base(), tiny.targetModules("q_proj", "fc2").build())) {
      model.loadAdapter(folder.toString(), SECOND);
      model.setAdapter(SECOND);
      assertArrayEquals(alone, logits(opt, model));
    }
  }

  @Test
  void uniLoraAdaptersOfOtherSeedsDiffer() {
    UniLoraConfig.Builder uni =
        UniLoraConfig.builder()
            .taskType(TaskType.CAUSAL_LM)
            .targetModules("q_proj")
            .initThetaDBound(0.9)
            .thetaDLength(20);
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model = Peft.getPeftModel(opt.base(), uni.build())) {
      model.addAdapter(SECOND, uni.projSeed(7).build());
      float[] first = logits(opt, model);
      var from = model.namedParameters().get("base_model.unilora_theta_d.default");
      var to = model.namedParameters().get("base_model.unilora_theta_d." + SECOND);
      Objects.requireNonNull(to).copyFrom(Objects.requireNonNull(from).tensor().detach());
      model.setAdapter(SECOND);
      assertFalse(Arrays.equals(first, logits(opt, model)));
    }
  }

  @Test
  void lilyLayersOfAKindShareMatrices() {
    LilyConfig config =
        LilyConfig.builder()
            .taskType(TaskType.CAUSAL_LM)
            .targetModules("q_proj", "v_proj")
            .r(3)
            .initWeights(false)
            .build();
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model = Peft.getPeftModel(opt.base(), config)) {
      assertEquals(
          2 * 2 * (3 * 16 + 2 * 3) + 2 * (2 * 3 * 16), model.trainableParameters().trainable());
      assertSame(b(model, 0, "q_proj"), b(model, 1, "q_proj"));
      assertNotSame(b(model, 0, "q_proj"), b(model, 0, "v_proj"));
      float[] before = logits(opt, model);
      String message =
          assertThrows(UnsupportedOperationException.class, model::mergeAdapter).getMessage();
      assertTrue(message.contains("cannot be merged"), message);
      assertArrayEquals(before, opt.logits(model).toFloats());
    }
  }

  private static Object b(PeftModel model, int layer, String name) {
    return adapter(model, layer, name).weights().get(1).parameter();
  }

  @Test
  void psoftNeedsTheBaseAsItIs() {
    PsoftConfig config =
        PsoftConfig.builder()
            .taskType(TaskType.CAUSAL_LM)
            .targetModules("q_proj")
            .r(4)
            .initWeights(false)
            .build();
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model = Peft.getPeftModel(opt.base(), config)) {
      model.mergeAdapter();
      String message =
          assertThrows(IllegalStateException.class, () -> model.addAdapter(SECOND, config))
              .getMessage();
      assertTrue(message.contains("[default] are merged"), message);
      model.unmergeAdapter();
      model.addAdapter(SECOND, config);
      assertThrows(
          IllegalArgumentException.class, () -> model.addAdapter("third", config.with("r", 17)));
    }
  }
}
