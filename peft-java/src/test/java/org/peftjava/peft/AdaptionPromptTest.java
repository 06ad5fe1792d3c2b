package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.adaptionprompt.AdaptionPromptConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** What is special about adaption prompts; their numbers are in the tuner goldens. */
@ExtendWith(LedgerCheck.class)
class AdaptionPromptTest {
  private static final String LLAMA = "tuner_adaption_prompt";

  private static AdaptionPromptConfig config(int length, int layers) {
    return AdaptionPromptConfig.builder().adapterLen(length).adapterLayers(layers).build();
  }

  private static String refusal(TunerCase tuner, TunerConfig config) {
    return assertThrows(
            IllegalArgumentException.class, () -> Peft.getPeftModel(tuner.base(), config))
        .getMessage();
  }

  @Test
  void whatCannotBeIsRefusedAndNothingChanges() {
    try (TunerCase tuner = new TunerCase(LLAMA);
        TinyOpt opt = new TinyOpt()) {
      float[] before = tuner.logits(tuner.base()).toFloats();
      assertEquals(
          "AdaptionPromptConfig: adapterLen must be set, got null.",
          refusal(tuner, AdaptionPromptConfig.builder().adapterLayers(1).build()));
      assertEquals(
          "AdaptionPromptConfig: adapterLayers must be set, got null.",
          refusal(tuner, AdaptionPromptConfig.builder().adapterLen(1).build()));
      assertEquals(
          "AdaptionPromptConfig: adapterLayers must be at most 2, the number of layers with"
              + " [self_attn], got 3.",
          refusal(tuner, config(2, 3)));
      assertTrue(
          refusal(tuner, config(2, 1).with("target_modules", "mlp")).contains("cannot adapt"));
      assertTrue(
          assertThrows(
                  IllegalArgumentException.class, () -> Peft.getPeftModel(opt.base(), config(2, 1)))
              .getMessage()
              .contains("llama, mistral and gpt2 models, but this is a \"opt\""));
      assertArrayEquals(before, tuner.logits(tuner.base()).toFloats());
    }
  }

  @Test
  void mergingIsRefused() {
    try (TunerCase tuner = new TunerCase(LLAMA);
        PeftModelForCausalLM model = tuner.load()) {
      float[] before = tuner.logits(model).toFloats();
      assertThrows(UnsupportedOperationException.class, model::mergeAdapter);
      assertEquals(List.of(), model.getModelStatus().mergedAdapters());
      assertArrayEquals(before, tuner.logits(model).toFloats());
    }
  }

  @Test
  void adaptersOfDifferentLayersActTogether() {
    try (TunerCase tuner = new TunerCase(LLAMA);
        PeftModelForCausalLM model = tuner.load()) {
      float[] before = tuner.logits(model).toFloats();
      model.addAdapter("all", config(2, 2));
      model.setAdapter("default", "all"); // its gates are zero
      model.eval();
      assertArrayEquals(before, tuner.logits(model).toFloats(), 1e-6f);
      assertEquals(2, model.getLayerStatus().size());
      model.setAdapter("all");
      assertEquals(
          0, TinyOpt.gap(tuner.golden("base.logits"), logits(tuner, model)), 1e-4, "gates are 0");
    }
  }

  private static Tensor logits(TunerCase tuner, PeftModelForCausalLM model) {
    return model.forward(tuner.input(false)).logits().orElseThrow();
  }

  @Test
  void generatingWithAndWithoutACacheIsTheSame(@TempDir Path folder) {
    try (TunerCase tuner = new TunerCase("tuner_adaption_prompt_mistral");
        PeftModelForCausalLM model = tuner.load()) {
      TokenBatch prompts =
          TokenBatch.of(tuner.rows("left.input_ids"), tuner.rows("left.attention_mask"));
      long[][] cached = model.generate(prompts, g -> g.maxNewTokens(9).eosTokenId()).ids();
      long[][] anew =
          model.generate(prompts, g -> g.maxNewTokens(9).eosTokenId().useCache(false)).ids();
      assertArrayEquals(anew, cached);
      model.savePretrained(folder);
      assertEquals(
          "self_attn", PeftConfig.fromPretrained(folder).fields().text("target_modules").get());
    }
  }

  @Test
  void aPaddedRowMeansWhatItMeansAlone() {
    for (String name :
        List.of(LLAMA, "tuner_adaption_prompt_mistral", "tuner_adaption_prompt_gpt2")) {
      try (TunerCase tuner = new TunerCase(name);
          PeftModelForCausalLM model = tuner.load()) {
        float[] alone = lastLogits(model, new long[] {9, 11, 4}, new long[] {1, 1, 1});
        float[] padded = lastLogits(model, new long[] {1, 1, 9, 11, 4}, new long[] {0, 0, 1, 1, 1});
        assertArrayEquals(alone, padded, 1e-5f, name);
      }
    }
  }

  private static float[] lastLogits(PeftModelForCausalLM model, long[] ids, long[] mask) {
    try (TensorScope scope = TensorScope.open("last logits");
        GradMode off = GradMode.noGrad()) {
      ModelInput input =
          ModelInput.builder()
              .inputIds(Creation.ofLongs(ids, 1, ids.length))
              .attentionMask(Creation.ofLongs(mask, 1, ids.length))
              .build();
      Tensor logits = model.forward(input).logits().orElseThrow();
      return logits.narrow(1, ids.length - 1, 1).contiguous().toFloats();
    }
  }
}
