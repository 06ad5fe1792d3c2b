package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.Arrays;
import java.util.function.Consumer;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Virtual tokens count where Phi-3, beyond 8 tokens, turns all keys by other angles. */
@ExtendWith(LedgerCheck.class)
class PromptBorderTest {
  private static final TokenBatch PROMPTS =
      TokenBatch.of(
          new long[][] {{2, 9, 33, 4}, {1, 1, 2, 5}}, new long[][] {{1, 1, 1, 1}, {0, 0, 1, 1}});

  @ParameterizedTest
  @EnumSource(PromptCase.class)
  void theCacheChangesNothing(PromptCase method) {
    try (TensorScope scope = TensorScope.open("border");
        GradMode off = GradMode.noGrad();
        CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path("decoder_phi3/base"));
        PeftModelForCausalLM model = Peft.getPeftModel(base, method.config())) {
      Randomness.manualSeed(5);
      model.namedParameters().values().stream()
          .filter(Parameter::requiresGrad)
          .forEach(parameter -> parameter.tensor().uniformInPlace(-0.7, 0.7));
      long[][] expected = ids(model, g -> g.useCache(false));
      assertArrayEquals(expected, ids(model, g -> {}));
      assertArrayEquals(expected, ids(model, g -> g.prefillChunkSize(3)));
      assertFalse(Arrays.deepEquals(expected, ids(base, g -> {})), "the virtual tokens act");
    }
  }

  private static long[][] ids(
      CausalLanguageModel model, Consumer<GenerationConfig.Builder> settings) {
    Consumer<GenerationConfig.Builder> endless = g -> g.maxNewTokens(8).eosTokenId().padTokenId(1);
    return model.generate(PROMPTS, endless.andThen(settings)).ids();
  }
}
