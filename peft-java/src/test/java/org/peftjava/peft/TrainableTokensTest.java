package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.CombinationType;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.trainabletokens.TrainableTokensConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.Seq2SeqLanguageModel;

/** What golden/tuner_tokens* leave open: several adapters, ties, and mistakes. */
@ExtendWith(LedgerCheck.class)
class TrainableTokensTest {
  private static final String TABLE = "model.decoder.embed_tokens";

  private static TrainableTokensConfig tokens(int... ids) {
    return TrainableTokensConfig.builder().tokenIndices(ids).build();
  }

  private static LoraConfig beside(Map<String, List<Integer>> ids) {
    return TinyOpt.QV.toBuilder().trainableTokenIndices(ids).build();
  }

  @Test
  void adaptersWithOtherTokensActTogether() {
    try (TinyOpt opt = new TinyOpt();
        CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path("opt_embedding/base"));
        PeftModelForCausalLM model =
            PeftModel.fromPretrained(
                base, Goldens.path("tokens_two/adapter"), o -> o.isTrainable(true))) {
      Tensor plain = model.withoutAdapter(() -> opt.logits(model));
      Map<String, Tensor> golden = Goldens.tensors("tokens_two/io.safetensors");
      Tensor padding = golden.get("in.attention_mask").eq(0).unsqueeze(-1);
      model.loadAdapter(Goldens.path("tokens_two/adapter/second"), o -> o.adapterName("second"));
      model.setAdapter("default", "second");
      Goldens.assertClose(
          golden.get("both.logits").maskedFill(padding, 0), opt.logits(model), 1e-5, "both");
      model.mergeAdapter(o -> o.adapterNames("second", "default"));
      Goldens.assertClose(
          golden.get("merged.logits").maskedFill(padding, 0), opt.logits(model), 1e-5, "merged");
      model.unmergeAdapter();
      assertArrayEquals(plain.toFloats(), model.withoutAdapter(() -> opt.logits(model)).toFloats());
    }
  }

  @Test
  void adaptersWithTheSameTokenDoNot() {
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model = Peft.getPeftModel(opt.base(), tokens(4, 7))) {
      model.addAdapter("b", tokens(7, 9));
      String message =
          assertThrows(IllegalArgumentException.class, () -> model.setAdapter("default", "b"))
              .getMessage();
      assertTrue(message.contains("[7]"), message);
      assertEquals(List.of("default"), model.activeAdapters());
      assertThrows(
          IllegalArgumentException.class,
          () -> model.mergeAdapter(o -> o.adapterNames("default", "b")));
      assertEquals(List.of(), model.getModelStatus().mergedAdapters());
    }
  }

  @Test
  void aMergedTableStaysTied() {
    try (TinyOpt opt = new TinyOpt()) {
      PeftModelForCausalLM model = Peft.getPeftModel(opt.base(), beside(Map.of(TABLE, List.of(5))));
      CausalLM merged = model.mergeAndUnload();
      Map<String, Parameter> state = merged.namedState();
      assertSame(state.get(TABLE + ".weight"), state.get("lm_head.weight"));
    }
  }

  @Test
  void otherTokensInATiedHeadAreMergedIntoTheHeadAlone() {
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model =
            Peft.getPeftModel(
                opt.base(), beside(Map.of(TABLE, List.of(5, 9), "lm_head", List.of(9))))) {
      model.eval();
      model
          .namedParameters()
          .forEach(
              (name, parameter) -> {
                if (name.contains("token_adapter.trainable_tokens_delta")) {
                  parameter.tensor().detach().fillInPlace(name.contains("lm_head") ? 0.4 : -0.3);
                }
              });
      Tensor adapted = opt.logits(model);
      model.mergeAdapter();
      Goldens.assertClose(adapted, opt.logits(model), 1e-5, "merged");
      model.unmergeAdapter();
      Goldens.assertClose(adapted, opt.logits(model), 1e-5, "unmerged");
    }
  }

  @Test
  void aScaledTableMergesLoraAsItActs() {
    try (TunerCase tuner = new TunerCase("tuner_lora_gemma3");
        PeftModelForCausalLM model = tuner.load()) {
      model.mergeAdapter();
      Goldens.assertClose(
          tuner.expected("adapter.logits"), tuner.logits(model), 4e-5, "merged.logits");
    }
  }

  @Test
  void combinedAdaptersKeepTheTokensOfOne() {
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model = Peft.getPeftModel(opt.base(), TinyOpt.QV)) {
      model.addAdapter("tokens", beside(Map.of("embed_tokens", List.of(8, 3))));
      model.addAdapter("more", beside(Map.of("embed_tokens", List.of(1))));
      String rows = "base_model.model." + TABLE + ".token_adapter.trainable_tokens_delta.";
      model.namedParameters().get(rows + "tokens").tensor().detach().fillInPlace(0.7);
      model.addWeightedAdapter(
          List.of("default", "tokens"),
          List.of(0.5, 2.0),
          "sum",
          o -> o.combinationType(CombinationType.LINEAR));
      assertArrayEquals(
          model.namedParameters().get(rows + "tokens").tensor().toFloats(),
          model.namedParameters().get(rows + "sum").tensor().toFloats());
      assertThrows(
          UnsupportedOperationException.class,
          () -> model.addWeightedAdapter(List.of("more", "tokens"), List.of(1.0, 1.0), "no"));
    }
  }

  private static double loss(Seq2SeqLanguageModel model) {
    try (TensorScope scope = TensorScope.open("loss");
        GradMode off = GradMode.noGrad()) {
      Tensor ids = Creation.ofLongs(new long[][] {{5, 9, 7, 1}});
      return model
          .forward(ModelInput.builder().inputIds(ids).labels(ids).build())
          .loss()
          .orElseThrow()
          .toDouble();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"t5_v10", "t5_v11"})
  void everyLayerWithTheTableOfT5HasItsRows(String name) {
    try (TensorScope scope = TensorScope.open("test");
        Seq2SeqLM base = AutoModelForSeq2SeqLM.fromPretrained(Goldens.path(name + "/model"))) {
      base.eval();
      double plain = loss(base);
      try (PeftModelForSeq2SeqLM model = Peft.getPeftModel(base, tokens(7, 5))) {
        model.eval();
        assertEquals(plain, loss(model), 1e-6);
        assertEquals(name.equals("t5_v10") ? 4 : 3, model.getLayerStatus().size());
        String rows = "base_model.model.shared.trainable_tokens_delta.default";
        model.namedParameters().get(rows).tensor().detach().addInPlace(0.7);
        double adapted = loss(model);
        assertTrue(Math.abs(adapted - plain) > 1e-3, "gap " + (adapted - plain));
        model.mergeAdapter();
        assertEquals(adapted, loss(model), 1e-5);
        model.unmergeAdapter();
        assertEquals(adapted, loss(model), 1e-5);
      }
      assertEquals(plain, loss(base), 1e-6);
    }
  }

  private static void refused(TunerConfig config, String... words) {
    try (TinyOpt opt = new TinyOpt()) {
      List<String> before = List.copyOf(opt.base().namedState().keySet());
      String message =
          assertThrows(IllegalArgumentException.class, () -> Peft.getPeftModel(opt.base(), config))
              .getMessage();
      for (String word : words) {
        assertTrue(message.contains(word), message);
      }
      assertEquals(before, List.copyOf(opt.base().namedState().keySet()));
    }
  }

  @Test
  void mistakesAreNamedAndChangeNothing() {
    refused(tokens(40), "Token 40", "40 tokens", "0 to 39");
    refused(tokens(-1), "Token -1");
    refused(tokens(3, 3), "each once");
    refused(tokens(), "must be some");
    refused(beside(Map.of("embed_tokens", List.of(99))), "Token 99");
    refused(beside(Map.of("wte", List.of(1))), "wte", "no such module");
    refused(beside(Map.of("self_attn", List.of(1))), "self_attn");
    refused(beside(Map.of("layers.0.self_attn.q_proj", List.of(1))), "targetModules");
    refused(
        beside(Map.of("embed_tokens", List.of(1))).toBuilder()
            .modulesToSave("embed_tokens")
            .build(),
        "trained in full");
    refused(
        beside(Map.of("embed_tokens", List.of(1), "lm_head", List.of(2))).toBuilder()
            .ensureWeightTying(true)
            .build(),
        "ensureWeightTying");
    assertThrows(
        IllegalArgumentException.class,
        () -> LoraConfig.of(Map.of("trainable_token_indices", List.of("a"))));
  }

  @Test
  void twoHeadsOfAnUntiedModelAreApart() {
    try (CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path("opt_embedding/base"));
        PeftModelForCausalLM model =
            Peft.getPeftModel(
                base, beside(Map.of("embed_tokens", List.of(1, 2), "lm_head", List.of(3))))) {
      assertEquals(
          3 * 16,
          model.namedParameters().entrySet().stream()
              .filter(entry -> entry.getKey().contains("trainable_tokens_delta"))
              .mapToLong(entry -> entry.getValue().numel())
              .sum());
    }
  }
}
