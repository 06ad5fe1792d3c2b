package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.peftjava.transformers.Goldens.assertClose;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.model.opt.OptConfig;
import org.peftjava.transformers.tokenizer.TokenBatch;

class CausalLMTest {
  private static final long[][] IDS = {{2, 5, 6, 17, 8, 29}, {2, 9, 3, 4, 11, 7}};
  private static final long[][] PADDED = {{1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 0, 0}};

  @Test
  void countsOfRealSizesNeedNoMemory() {
    long before = TensorLedger.liveTensors();
    OptConfig small = OptConfig.builder().build();
    OptConfig medium =
        OptConfig.builder()
            .hiddenSize(1024)
            .numHiddenLayers(24)
            .ffnDim(4096)
            .numAttentionHeads(16)
            .wordEmbedProjDim(512)
            .doLayerNormBefore(false)
            .build();

    assertEquals(125_239_296, count(AutoModelForCausalLM.withoutWeights(small, DType.BFLOAT16)));
    assertEquals(331_196_416, count(AutoModelForCausalLM.withoutWeights(medium, DType.BFLOAT16)));
    assertEquals(before, TensorLedger.liveTensors());
  }

  @Test
  void namesAndTheirOrderArePythons() {
    CausalLM model =
        AutoModelForCausalLM.withoutWeights(
            TinyOpt.config().numHiddenLayers(1).wordEmbedProjDim(8).build(), DType.FLOAT32);

    assertEquals(
        List.of(
            "",
            "model",
            "model.decoder",
            "model.decoder.embed_tokens",
            "model.decoder.embed_positions",
            "model.decoder.project_out",
            "model.decoder.project_in",
            "model.decoder.final_layer_norm",
            "model.decoder.layers",
            "model.decoder.layers.0",
            "model.decoder.layers.0.self_attn",
            "model.decoder.layers.0.self_attn.k_proj",
            "model.decoder.layers.0.self_attn.v_proj",
            "model.decoder.layers.0.self_attn.q_proj",
            "model.decoder.layers.0.self_attn.out_proj",
            "model.decoder.layers.0.activation_fn",
            "model.decoder.layers.0.self_attn_layer_norm",
            "model.decoder.layers.0.fc1",
            "model.decoder.layers.0.fc2",
            "model.decoder.layers.0.final_layer_norm",
            "lm_head"),
        new ArrayList<>(model.namedModules().keySet()));
    assertTrue(model.namedState().containsKey("lm_head.weight"));
    assertFalse(model.namedParameters().containsKey("lm_head.weight"));
  }

  @Test
  void initialWeightsFollowTheConfig() {
    Randomness.manualSeed(5);
    try (CausalLM model =
            AutoModelForCausalLM.fromConfig(
                TinyOpt.config().vocabSize(400).initStd(0.5).build(), DType.FLOAT32);
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      assertTrue(model.isTraining());
      Map<String, Parameter> parameters = model.namedParameters();
      Tensor table = parameters.get("model.decoder.embed_tokens.weight").tensor();
      assertEquals(0, table.select(0, 1).abs().max().toDouble());
      assertEquals(0.5, Math.sqrt(table.mul(table).mean().toDouble()), 0.02);
      Tensor fc1 = parameters.get("model.decoder.layers.1.fc1.weight").tensor();
      assertEquals(0.5, Math.sqrt(fc1.mul(fc1).mean().toDouble()), 0.05);
      assertEquals(
          0, parameters.get("model.decoder.layers.1.fc1.bias").tensor().abs().max().toDouble());
      assertEquals(
          1, parameters.get("model.decoder.final_layer_norm.weight").tensor().min().toDouble());
    }
  }

  @Test
  void allLabelsPaddedLabelsAndBothWaysToTheLossAgree() {
    long[][] labels = {{2, 5, 6, 17, 8, 29}, {2, 9, 3, -100, -100, -100}};
    try (CausalLM model = TinyOpt.model(TinyOpt.config());
        TensorScope scope = TensorScope.openGraph("test")) {
      for (long[][] chosen : List.of(IDS, labels)) {
        TokenBatch batch = TokenBatch.of(IDS).withLabels(chosen);
        ModelInput input = ModelInput.of(batch, Device.CPU);
        Tensor viaLogits = model.forward(input).loss().orElseThrow();
        Tensor whole =
            model.forward(input.toBuilder().outputLogits(true).build()).loss().orElseThrow();
        double expected;
        try (GradMode off = GradMode.noGrad()) {
          expected = model.forward(batch).loss().orElseThrow().toDouble();
        }
        assertEquals(expected, viaLogits.toDouble(), 1e-6);
        assertEquals(expected, whole.toDouble(), 1e-6);
        assertNotEquals(0, expected, 0.1);
      }
    }
  }

  @Test
  void aBatchWithoutCountingLabelsHasNoMean() {
    long[][] none = {{-100, -100, -100, -100, -100, -100}};
    try (CausalLM model = TinyOpt.model(TinyOpt.config());
        TensorScope scope = TensorScope.openGraph("test")) {
      TokenBatch batch = TokenBatch.of(new long[][] {IDS[0]}).withLabels(none);
      assertTrue(Double.isNaN(model.forward(batch).loss().orElseThrow().toDouble()));
      ModelInput divided = ModelInput.of(batch, Device.CPU).toBuilder().lossDivisor(7).build();
      Tensor loss = model.forward(divided).loss().orElseThrow();
      loss.backward();
      assertEquals(0, loss.toDouble(), 1e-12);
    }
  }

  @Test
  void recomputingLayersChangesNoGradient() {
    try (CausalLM model = TinyOpt.model(TinyOpt.config().dropout(0.2).doLayerNormBefore(false))) {
      model.train(true);
      Map<String, float[]> plain = gradients(model);
      model.gradientCheckpointing(true);
      Map<String, float[]> recomputed = gradients(model);

      assertTrue(plain.size() > 30, plain.keySet().toString());
      assertEquals(plain.keySet(), recomputed.keySet());
      plain.forEach(
          (name, expected) -> assertArrayEquals(expected, recomputed.get(name), 1e-5f, name));
    }
  }

  @Test
  void aFrozenHeadPassesTheSameGradientsOn() {
    try (CausalLM model = TinyOpt.model(TinyOpt.config())) {
      Map<String, float[]> all = gradients(model);
      model.requiresGrad(false);
      String name = "model.decoder.layers.0.self_attn.q_proj.weight";
      model.namedParameters().get(name).requiresGrad(true);
      assertArrayEquals(all.get(name), gradients(model).get(name), 1e-5f);
      model.train(true);
      model.gradientCheckpointing(true);
      assertArrayEquals(all.get(name), gradients(model).get(name), 1e-5f);
    }
  }

  @Test
  void layerDropLeavesLayersOutWhileTraining() {
    try (CausalLM model = TinyOpt.model(TinyOpt.config().layerdrop(0.999999));
        CausalLM noLayers = TinyOpt.model(TinyOpt.config());
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Tensor whole = logits(noLayers);
      assertClose(whole, logits(model), 1e-6);
      model.train(true);
      Tensor dropped = logits(model);
      assertTrue(dropped.sub(whole).abs().max().toDouble() > 0.1);
      assertClose(dropped, logits(model), 1e-6);
    }
  }

  @Test
  void forwardGenerateAndErrorsLeaveNoTensorsBehind() {
    try (CausalLM model = TinyOpt.model(TinyOpt.config())) {
      long before = TensorLedger.liveTensors();
      TokenBatch batch = TokenBatch.of(IDS, PADDED).withLabels(IDS);
      for (int i = 0; i < 3; i++) {
        try (TensorScope scope = TensorScope.openGraph("step")) {
          model.forward(batch).loss().orElseThrow().backward();
          model.zeroGrad();
        }
        model.generate(TokenBatch.of(IDS), g -> g.maxNewTokens(5).doSample(true).topP(0.8));
        assertThrows(
            IllegalStateException.class,
            () ->
                model.generate(
                    TokenBatch.of(IDS),
                    g -> g.maxNewTokens(5),
                    tokens -> {
                      throw new IllegalStateException("listener");
                    }));
        assertThrows(
            IllegalArgumentException.class,
            () -> model.generate(TokenBatch.of(new long[][] {{2, 30}}), g -> g.maxNewTokens(2)));
        assertEquals(before, TensorLedger.liveTensors());
        assertTrue(GradMode.isEnabled());
      }
    }
  }

  @Test
  void errorsNameTheValueAndTheRemedy() {
    try (CausalLM model = TinyOpt.model(TinyOpt.config());
        TensorScope scope = TensorScope.open("test")) {
      assertMessage(model, new long[][] {{2, 30}}, "30", "0 to 29");
      assertMessage(model, new long[][] {{2, -1}}, "-1", "0 to 29");
      assertMessage(model, new long[1][13], "13 tokens", "positions for 12");
      ModelInput none = ModelInput.builder().build();
      assertTrue(
          assertThrows(IllegalArgumentException.class, () -> model.forward(none))
              .getMessage()
              .contains("Pass exactly one of inputIds"));
      ModelInput.Builder wrong =
          ModelInput.of(TokenBatch.of(IDS), Device.CPU).toBuilder()
              .attentionMask(Creation.ofLongs(new long[][] {{1, 1, 1}, {1, 1, 0}}));
      assertTrue(
          assertThrows(IllegalArgumentException.class, () -> model.forward(wrong.build()))
              .getMessage()
              .contains("[2, 3]. Expected [2, 6]"));
    }
  }

  @Test
  void moduleTreeIsTheModelItself() {
    try (CausalLM model = TinyOpt.model(TinyOpt.config())) {
      assertSame(model, model.module());
      assertEquals(Device.defaultDevice(), model.device());
      assertEquals("OPTForCausalLM", model.architecture().causalLmClass());
    }
  }

  private static void assertMessage(CausalLM model, long[][] ids, String... parts) {
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> model.forward(ModelInput.of(TokenBatch.of(ids), Device.CPU)))
            .getMessage();
    for (String part : parts) {
      assertTrue(message.contains(part), message);
    }
  }

  private static Tensor logits(CausalLM model) {
    return model.forward(TokenBatch.of(IDS)).logits().orElseThrow();
  }

  private static Map<String, float[]> gradients(CausalLM model) {
    Randomness.manualSeed(3);
    Map<String, float[]> result = new LinkedHashMap<>();
    try (TensorScope scope = TensorScope.openGraph("gradients")) {
      model.forward(TokenBatch.of(IDS, PADDED).withLabels(IDS)).loss().orElseThrow().backward();
      model
          .namedParameters()
          .forEach(
              (name, parameter) ->
                  parameter
                      .tensor()
                      .grad()
                      .ifPresent(gradient -> result.put(name, gradient.toFloats())));
      model.zeroGrad();
    }
    return result;
  }

  private static long count(CausalLM model) {
    return model.namedParameters().values().stream().mapToLong(Parameter::numel).sum();
  }
}
