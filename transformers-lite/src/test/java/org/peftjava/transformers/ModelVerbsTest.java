package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.peftjava.torch.DType;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Small questions to a model, under the names that Python's methods have. */
class ModelVerbsTest {
  @Test
  void whatPythonAsksOfAModel() {
    try (CausalLM model = TinyOpt.model(TinyOpt.config())) {
      long numbers =
          model.namedParameters().values().stream().mapToLong(p -> p.shape().numel()).sum();
      assertEquals(numbers, model.numParameters());
      assertEquals(4 * numbers, model.getMemoryFootprint());
      model.to(DType.BFLOAT16);
      assertEquals(2 * numbers, model.getMemoryFootprint());
      assertEquals(
          model.namedParameters().get("model.decoder.embed_tokens.weight"),
          model.getInputEmbeddings().table());
      assertSame(model.namedModules().get("lm_head"), model.getOutputEmbeddings().orElseThrow());
      model.to("cpu");
      model.train();
      assertTrue(model.isTraining());
      model.gradientCheckpointingEnable();
      assertTrue(model.backbone().isGradientCheckpointing());
      model.gradientCheckpointingDisable();
      assertFalse(model.backbone().isGradientCheckpointing());
      assertEquals(
          model.generate(TokenBatch.of(new long[][] {{2, 5, 6}}), g -> g.maxNewTokens(3)),
          model.generate(
              TokenBatch.of(new long[][] {{2, 5, 6}}),
              GenerationConfig.builder().maxNewTokens(3).build()));
      assertEquals(12, model.generate(TokenBatch.of(new long[][] {{2, 5, 6}})).get(0).length);
    }
  }
}
