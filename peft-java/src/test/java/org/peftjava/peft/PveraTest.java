package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;

/** What PVeRA draws; the numbers of evaluation are in the tuner goldens. */
@ExtendWith(LedgerCheck.class)
class PveraTest {
  private static PeftModelForCausalLM seeded(TunerCase tuner) {
    TunerConfig config =
        PeftConfig.fromPretrained(tuner.adapter())
            .with("sample_at_inference", true)
            .with("generator_seed", 11);
    return PeftModel.fromPretrained(
        tuner.base(), tuner.adapter(), options -> options.config(config).isTrainable(true));
  }

  @Test
  void seededFeaturesArePythons() {
    try (TunerCase tuner = new TunerCase("tuner_pvera");
        PeftModelForCausalLM model = seeded(tuner)) {
      model.eval();
      Map<String, Tensor> golden = Goldens.tensors("pvera_drawn/io.safetensors");
      Tensor padding = tuner.golden("in.attention_mask").eq(0).unsqueeze(-1);
      for (String pass : new String[] {"first", "second"}) {
        Goldens.assertClose(
            golden.get(pass + ".logits").maskedFill(padding, 0),
            tuner.logits(model),
            tuner.tolerance("forward"),
            pass);
      }
    }
  }

  @Test
  void trainingDrawsAndEvaluationDoesNot() {
    try (TunerCase tuner = new TunerCase("tuner_pvera");
        PeftModelForCausalLM model = tuner.load()) {
      float[] plain = tuner.logits(model).toFloats();
      assertArrayEquals(plain, tuner.logits(model).toFloats());
      model.train(true);
      Randomness.manualSeed(4);
      float[] drawn = tuner.logits(model).toFloats();
      assertFalse(Arrays.equals(plain, drawn));
      assertFalse(Arrays.equals(drawn, tuner.logits(model).toFloats()));
      Randomness.manualSeed(4);
      assertArrayEquals(drawn, tuner.logits(model).toFloats());
    }
  }

  @Test
  void aSeedOfItsOwnCannotBeDrawnAgain() {
    try (TunerCase tuner = new TunerCase("tuner_pvera");
        PeftModelForCausalLM model = seeded(tuner)) {
      model.gradientCheckpointing(true);
      model.train(true);
      RuntimeException error =
          assertThrows(RuntimeException.class, () -> tuner.loss(model).backward());
      assertTrue(error.getMessage().contains("generatorSeed"), error.getMessage());
    }
  }
}
