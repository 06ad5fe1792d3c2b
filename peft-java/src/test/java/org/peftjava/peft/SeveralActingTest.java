package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.boft.BOFTConfig;
import org.peftjava.peft.tuner.hra.HRAConfig;
import org.peftjava.peft.tuner.lntuning.LNTuningConfig;
import org.peftjava.torch.Tensor;

/** Two adapters that act together, of methods that do not simply add to the weight. */
@ExtendWith(LedgerCheck.class)
class SeveralActingTest {
  static List<TunerConfig> multiplying() {
    return List.of(
        HRAConfig.builder().r(3).targetModules("q_proj", "fc1").build(),
        BOFTConfig.builder()
            .boftNButterflyFactor(2)
            .initWeights(false)
            .targetModules("q_proj", "fc1")
            .build());
  }

  /** Python's order, for HRA and BOFT: the one that merging in order has. */
  @ParameterizedTest
  @MethodSource("multiplying")
  void actTogetherAsTheyMerge(TunerConfig config) {
    try (TinyOpt opt = new TinyOpt();
        PeftModel model = Peft.getPeftModel(opt.base(), config)) {
      model.addAdapter("other", config);
      model.setAdapter("default", "other");
      model.eval();
      Tensor together = opt.logits(opt.base());
      assertTrue(TinyOpt.gap(together, opt.baseLogits()) > 1, "audible");
      model.mergeAdapter();
      assertEquals(0, TinyOpt.gap(together, opt.logits(opt.base())), 1e-4);
      model.unmergeAdapter();
      assertEquals(0, TinyOpt.gap(together, opt.logits(opt.base())), 1e-4);
    }
  }

  @Test
  void ofNormsOnlyOneActs() {
    LNTuningConfig config = LNTuningConfig.builder().targetModules("final_layer_norm").build();
    try (TinyOpt opt = new TinyOpt();
        PeftModel model = Peft.getPeftModel(opt.base(), config)) {
      model.addAdapter("other", config);
      model.setAdapter("default", "other");
      IllegalStateException error =
          assertThrows(IllegalStateException.class, () -> opt.logits(opt.base()));
      assertEquals(
          "Of the adapters of a norm only one can act, but 2 are active. Activate one of them with"
              + " setAdapter.",
          error.getMessage());
      model.setAdapter("other");
      assertArrayEquals(opt.baseLogits().toFloats(), opt.logits(opt.base()).toFloats(), 1e-4f);
    }
  }
}
