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
import java.util.Set;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.peftjava.peft.tuner.PromptLearningConfig;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.prefixtuning.PrefixTuningConfig;
import org.peftjava.peft.tuner.prompttuning.PromptTuningConfig;
import org.peftjava.peft.tuner.prompttuning.PromptTuningInit;
import org.peftjava.peft.tuner.ptuning.PromptEncoderConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Life of virtual tokens in a language model: several adapters, errors. */
@ExtendWith(LedgerCheck.class)
class PromptLearningTest {
  private static final String WEIGHT = "prompt_encoder.default.embedding.weight";

  private TinyOpt tiny;
  private CausalLM base;

  @BeforeEach
  void open() {
    tiny = new TinyOpt();
    base = tiny.base();
  }

  @AfterEach
  void close() {
    tiny.close();
  }

  @ParameterizedTest
  @EnumSource(PromptCase.class)
  void logitsStandBehindThoseOfVirtualTokens(PromptCase method) {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, method.config())) {
      assertEquals(
          List.of(2L, 5L + method.logits, 40L),
          Arrays.stream(
                  model
                      .forward(PromptCase.batch().build())
                      .logits()
                      .orElseThrow()
                      .shape()
                      .toArray())
              .boxed()
              .toList());
      assertEquals(Set.of("default"), model.peftConfig().keySet());
      assertEquals(Map.of("default", RequiresGrad.TRUE), model.getModelStatus().requiresGrad());
      assertTrue(
          model.namedParameters().entrySet().stream()
              .allMatch(e -> e.getKey().startsWith("base_model.") ^ e.getValue().requiresGrad()));
    }
  }

  @Test
  void givenEmbeddingsAreAsGoodAsIds() {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, PromptCase.prompt().build())) {
      Tensor ids =
          Creation.ofLongs(new long[][] {{2, 5, 6, 17, 8}, {2, 9, 33, 1, 1}}).to(base.device());
      ModelInput given =
          PromptCase.batch().inputsEmbeds(base.backbone().inputEmbeddings().forward(ids)).build();
      assertArrayEquals(
          PromptCase.logits(model), model.forward(given).logits().orElseThrow().toFloats());
    }
  }

  @Test
  void severalAdaptersTakeTurns(@TempDir Path folder) {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, PromptCase.prompt().build())) {
      float[] first = PromptCase.logits(model);
      model.addAdapter("other", PromptCase.prompt().numVirtualTokens(2).build());
      assertArrayEquals(first, PromptCase.logits(model), "a new adapter waits");
      model.setAdapter("other");
      float[] second = PromptCase.logits(model);
      assertEquals(2 * 7 * 40, second.length);
      assertFalse(model.namedParameters().get(WEIGHT).requiresGrad());
      assertTrue(
          model.namedParameters().get("prompt_encoder.other.embedding.weight").requiresGrad());
      assertThrows(IllegalArgumentException.class, () -> model.setAdapter("default", "other"));
      model.savePretrained(folder);
      model.deleteAdapter("other");
      assertArrayEquals(first, PromptCase.logits(model), "the first acts again");
      assertFalse(model.namedParameters().containsKey("prompt_encoder.other.embedding.weight"));
      model.loadAdapter(folder.resolve("other"), options -> options.adapterName("again"));
      model.setAdapter("again");
      assertArrayEquals(second, PromptCase.logits(model));
    }
  }

  @ParameterizedTest
  @EnumSource(PromptCase.class)
  void theBaseIsAsItWas(PromptCase method) {
    float[] plain = base.forward(PromptCase.batch().build()).logits().orElseThrow().toFloats();
    Set<String> names = base.namedState().keySet();
    base.requiresGrad(true);
    PeftModelForCausalLM model = Peft.getPeftModel(base, method.config());
    assertFalse(Arrays.equals(plain, PromptCase.logits(model)));
    assertArrayEquals(plain, model.withoutAdapter(() -> PromptCase.logits(model)));
    String message = assertThrows(IllegalStateException.class, model::mergeAdapter).getMessage();
    assertTrue(message.contains("cannot be merged"), message);
    model.close();
    assertArrayEquals(
        plain, base.forward(PromptCase.batch().build()).logits().orElseThrow().toFloats());
    assertEquals(names, base.namedState().keySet());
    assertTrue(base.namedParameters().values().stream().allMatch(Parameter::requiresGrad));
  }

  @Test
  void generationLooksAtTheTextAlone() {
    TokenBatch text = TokenBatch.of(new long[][] {{2, 5, 6}});
    for (PromptCase method : PromptCase.values()) {
      try (PeftModelForCausalLM model = Peft.getPeftModel(base, method.config())) {
        model.eval();
        long[][] ids = model.generate(text, g -> g.maxNewTokens(5).eosTokenId()).ids();
        assertEquals(8, ids[0].length);
        assertArrayEquals(
            ids,
            model
                .generate(text, g -> g.maxNewTokens(5).eosTokenId().penaltyAlpha(1e-9).topK(2))
                .ids(),
            method + ": contrastive search that prefers the likeliest");
        long[][] longest = model.generate(text, g -> g.maxNewTokens(32 - 3 - 3).eosTokenId()).ids();
        assertEquals(29, longest[0].length);
        assertThrows(
            IllegalArgumentException.class,
            () -> model.generate(text, g -> g.maxNewTokens(32 - 3 - 2).eosTokenId()));
      }
    }
  }

  @Test
  void whatCannotWorkIsRefused() {
    refused("numVirtualTokens must be set", () -> PromptTuningConfig.builder().build());
    refused("tokenDim to 16", () -> PromptCase.prompt().tokenDim(8).build());
    refused("taskType is SEQ_CLS", () -> PromptCase.prompt().taskType(TaskType.SEQ_CLS).build());
    for (Supplier<PromptLearningConfig> wrong :
        List.<Supplier<PromptLearningConfig>>of(
            () -> PromptCase.prompt().numVirtualTokens(0).build(),
            () -> PromptCase.prompt().promptTuningInit(PromptTuningInit.TEXT).build(),
            () -> PromptCase.prompt().tokenizerKwargs(Map.of("use_fast", true)).build(),
            () -> PrefixTuningConfig.builder().initWeights("ones").build(),
            () -> PromptEncoderConfig.builder().encoderDropout(1).build(),
            () -> PromptEncoderConfig.builder().encoderNumLayers(0).build())) {
      assertThrows(IllegalArgumentException.class, wrong::get);
    }
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> Peft.getPeftModel((Module) base, PromptCase.prompt().build()))
            .getMessage();
    assertTrue(message.contains("AutoModel"), message);
    assertEquals(
        0, base.namedModules().keySet().stream().filter(n -> n.contains("prompt")).count());
  }

  private void refused(String reason, Supplier<PromptLearningConfig> config) {
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> {
                  try (PeftModelForCausalLM model = Peft.getPeftModel(base, config.get())) {
                    PromptCase.logits(model);
                  }
                })
            .getMessage();
    assertTrue(message.contains(reason), message);
  }

  @Test
  void kindsOfAdaptersDoNotMix() {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, PromptCase.prompt().build())) {
      assertThrows(
          IllegalArgumentException.class,
          () -> model.addAdapter("lora", LoraConfig.builder().build()));
      assertThrows(
          IllegalArgumentException.class,
          () -> model.addAdapter("prefix", PromptCase.PREFIX.config()));
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () ->
                      model.forward(
                          PromptCase.batch()
                              .attentionMask(Creation.ofLongs(new long[][] {{1}, {1}}))
                              .build()))
              .getMessage();
      assertTrue(message.contains("without the virtual tokens"), message);
      assertEquals(List.of("default"), List.copyOf(model.peftConfig().keySet()));
    }
  }
}
