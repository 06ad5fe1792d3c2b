package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.Creation;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Layers that are used more than once, beside golden/tuner_replication. */
@ExtendWith(LedgerCheck.class)
class LayerReplicationTest {
  private static final List<List<Integer>> RANGES = List.of(List.of(0, 2), List.of(1, 2));

  private static LoraConfig config(List<List<Integer>> ranges) {
    return LoraConfig.builder()
        .r(3)
        .loraAlpha(5)
        .targetModules(TargetModules.allLinear())
        .initLoraWeights(false)
        .layerReplication(ranges)
        .build();
  }

  private static float[] logits(CausalLanguageModel model) {
    try (TensorScope scope = TensorScope.open("logits");
        GradMode off = GradMode.noGrad()) {
      Tensor ids = Creation.ofLongs(new long[][] {{2, 5, 6, 17, 8, 29, 31, 4}});
      return model
          .forward(ModelInput.builder().inputIds(ids).build())
          .logits()
          .orElseThrow()
          .toFloats();
    }
  }

  private static Set<Parameter> weights(CausalLM model) {
    return Set.copyOf(model.namedParameters().values());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "opt_lora",
        "gpt2_lora",
        "llama_lora",
        "decoder_gemma3",
        "decoder_bloom",
        "decoder_qwen2"
      })
  void mergedAndSavedItIsAModelOfMoreLayers(String name, @TempDir Path folder) {
    try (CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path(name + "/base"))) {
      base.eval();
      final int layers = base.config().numHiddenLayers();
      final Set<Parameter> before = weights(base);
      PeftModelForCausalLM model = Peft.getPeftModel(base, config(RANGES));
      model.eval();
      assertEquals(3, base.config().numHiddenLayers());
      long shared =
          model.namedParameters().entrySet().stream()
              .filter(entry -> !entry.getKey().contains("lora_"))
              .filter(entry -> before.contains(entry.getValue()))
              .count();
      long all =
          model.namedParameters().keySet().stream().filter(key -> !key.contains("lora_")).count();
      assertEquals(all, shared, "no weight is copied");
      float[] adapted = logits(model);
      CausalLM merged = model.mergeAndUnload();
      assertArrayEquals(adapted, logits(merged), 2e-4f);
      merged.savePretrained(folder);
      try (CausalLM saved = AutoModelForCausalLM.fromPretrained(folder)) {
        assertEquals(3, saved.config().numHiddenLayers());
        assertArrayEquals(logits(merged), logits(saved), 1e-5f);
      }
      assertTrue(layers >= 2);
    }
  }

  @Test
  void unloadingGivesTheLayersBack() {
    try (CausalLM base = AutoModelForCausalLM.fromPretrained(TinyOpt.FOLDER)) {
      base.eval();
      final float[] plain = logits(base);
      final Set<Parameter> before = weights(base);
      PeftModelForCausalLM model = Peft.getPeftModel(base, config(List.of(List.of(1, 2))));
      model.eval();
      assertEquals(1, base.config().numHiddenLayers());
      model.mergeAdapter();
      assertFalse(Arrays.equals(plain, logits(model)));
      model.unmergeAdapter();
      model.unload();
      assertEquals(2, base.config().numHiddenLayers());
      assertEquals(before, weights(base));
      assertArrayEquals(plain, logits(base), 1e-5f);
    }
  }

  @Test
  void leftOutLayersAreFreedWithTheMergedModel() {
    try (CausalLM base = AutoModelForCausalLM.fromPretrained(TinyOpt.FOLDER)) {
      PeftModelForCausalLM model = Peft.getPeftModel(base, config(List.of(List.of(1, 2))));
      CausalLM merged = model.mergeAndUnload();
      assertEquals(1, merged.config().numHiddenLayers()); // LedgerCheck counts the rest
    }
  }

  @Test
  void anotherAdapterMayHaveTheSameRangesOnly() {
    try (CausalLM base = AutoModelForCausalLM.fromPretrained(TinyOpt.FOLDER);
        PeftModelForCausalLM model = Peft.getPeftModel(base, config(RANGES))) {
      model.addAdapter("same", config(RANGES));
      model.addAdapter("none", config(List.of()));
      assertEquals(3, base.config().numHiddenLayers());
      String message =
          assertThrows(
                  IllegalStateException.class,
                  () -> model.addAdapter("other", config(List.of(List.of(0, 2)))))
              .getMessage();
      assertTrue(message.contains("[[0, 2]]") && message.contains("[[0, 2], [1, 2]]"), message);
      assertEquals(
          3,
          model.generate(
                      TokenBatch.of(new long[][] {{2, 5, 6}}, new long[][] {{1, 1, 1}}),
                      g -> g.maxNewTokens(3).eosTokenId())
                  .ids()[0]
                  .length
              - 3);
    }
  }

  @Test
  void layersOfFourBitWeightsShareThem() {
    try (TensorScope scope = TensorScope.openGraph("test");
        CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path("llama_lora/base"))) {
      BitsAndBytesConfig.builder()
          .loadIn4bit(true)
          .bnb4bitQuantType(QuantType.NF4)
          .build()
          .applyTo(base);
      final long before = base.namedParameters().size();
      try (PeftModelForCausalLM model = Peft.getPeftModel(base, config(RANGES))) {
        assertEquals(
            before,
            model.namedParameters().keySet().stream().filter(k -> !k.contains("lora_")).count());
        Tensor ids = Creation.ofLongs(new long[][] {{2, 5, 6, 17}});
        model
            .forward(ModelInput.builder().inputIds(ids).labels(ids).build())
            .loss()
            .orElseThrow()
            .backward();
        model
            .namedParameters()
            .forEach(
                (key, value) -> {
                  if (key.contains("lora_B")) {
                    assertTrue(value.tensor().grad().orElseThrow().abs().sum().toDouble() > 0, key);
                  }
                });
        model.zeroGrad();
      }
    }
  }

  @Test
  void rangesThatDoNotFitChangeNothing() {
    try (CausalLM base = AutoModelForCausalLM.fromPretrained(TinyOpt.FOLDER)) {
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> Peft.getPeftModel(base, config(List.of(List.of(0, 3)))))
              .getMessage();
      assertTrue(message.contains("2 layers"), message);
      assertEquals(2, base.config().numHiddenLayers());
      assertThrows(
          IllegalArgumentException.class,
          () ->
              Peft.getPeftModel(base, config(RANGES).toBuilder().targetModules("nothing").build()));
      assertEquals(2, base.config().numHiddenLayers());
    }
    assertThrows(IllegalArgumentException.class, () -> config(List.of(List.of(2, 1))));
  }
}
