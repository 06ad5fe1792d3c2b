package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.tuner.lora.LoraConfig;

/** Mistakes in useBdlora, whose values are in golden/tuner_bdlora. */
@ExtendWith(LedgerCheck.class)
class BlockLoraTest {
  private static void refused(Map<String, ?> blocks, String word) {
    try (TinyOpt opt = new TinyOpt()) {
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () ->
                      Peft.getPeftModel(
                          opt.base(),
                          LoraConfig.builder()
                              .r(4)
                              .targetModules("q_proj")
                              .useBdlora(blocks)
                              .build()))
              .getMessage();
      assertTrue(message.contains(word), message);
      assertTrue(opt.base().namedState().keySet().stream().noneMatch(k -> k.contains("lora")));
    }
  }

  @Test
  void mistakesAreNamedAndChangeNothing() {
    List<String> q = List.of("q_proj");
    refused(Map.of("nblocks", 2), "neither");
    refused(Map.of("target_modules_bd_a", q, "target_modules_bd_b", q), "both");
    refused(Map.of("target_modules_bd_a", q, "nblocks", 3), "3 blocks");
    refused(Map.of("target_modules_bd_a", q, "nblocks", 0), "nblocks");
    refused(Map.of("target_modules_bd_a", "q_proj"), "lists");
  }

  @Test
  void itHasAStrengthAndIsNotCombined() {
    try (TunerCase tuner = new TunerCase("tuner_bdlora");
        PeftModelForCausalLM model = tuner.load()) {
      float[] plain = model.withoutAdapter(() -> tuner.logits(model)).toFloats();
      model.setScale("default", 0);
      assertArrayEquals(plain, tuner.logits(model).toFloats(), 1e-6f);
      assertThrows(
          UnsupportedOperationException.class,
          () -> model.addWeightedAdapter(List.of("default"), List.of(1.0), "sum"));
    }
  }
}
