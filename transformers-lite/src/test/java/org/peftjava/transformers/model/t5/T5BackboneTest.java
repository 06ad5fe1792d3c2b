package org.peftjava.transformers.model.t5;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.peftjava.transformers.Goldens.assertClose;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.StateDict;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.checkpoint.Checkpoints;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.DecoderInput;
import org.peftjava.transformers.model.EncoderDecoderCache;
import org.peftjava.transformers.model.LayerTrace;

/** Encoder and decoder against what transformers computed, without a head. */
class T5BackboneTest {
  private static final double TOLERANCE = 1e-5;

  /** Gradients of the embedding reach 40, of which this is a millionth. */
  private static final double GRADIENT_TOLERANCE = 4e-5;

  private static T5Model model(String name) {
    Path folder = Goldens.folder(name).resolve("model");
    ConfigJson json = ConfigJson.read(folder.resolve("config.json"));
    T5Config config = T5Config.of(json, json.getString("model_type"));
    // without dropout, so that training mode computes the same
    T5Model model = new T5Model(config.toBuilder().dropoutRate(0).build(), DType.FLOAT32);
    Map<String, Tensor> weights = new HashMap<>();
    try (TensorScope scope = TensorScope.open("load");
        WeightSource source = Checkpoints.open(folder)) {
      source.names().stream()
          .filter(key -> !key.equals("lm_head.weight"))
          .forEach(key -> weights.put(key, source.tensor(key)));
      for (String stack : List.of("encoder", "decoder")) {
        weights.put(stack + ".embed_tokens.weight", weights.get("shared.weight"));
      }
      model.initialize();
      model.to(Device.defaultDevice());
      assertTrue(StateDict.load(model, weights, StateDict.Mode.COPY).isClean());
    }
    model.eval();
    return model;
  }

  private static BackboneInput input(
      Tensor ids, @Nullable Tensor mask, @Nullable EncoderDecoderCache past) {
    return new BackboneInput(
        ids, null, mask, null, null, past == null ? null : past.selfAttention(), null);
  }

  @ParameterizedTest
  @ValueSource(strings = {"t5_v10", "t5_v11", "t5_mt5"})
  void encoderBeyondTheLargestDistance(String name) {
    try (T5Model model = model(name);
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Map<String, Tensor> golden = Goldens.tensors(name);
      Tensor states = model.forward(input(golden.get("long.input_ids"), null, null));
      assertClose(golden.get("long.encoder_last_hidden_state"), states, TOLERANCE);
      Tensor padded =
          model.forward(
              input(golden.get("plain.input_ids"), golden.get("plain.attention_mask"), null));
      assertClose(golden.get("plain.encoder_last_hidden_state"), padded, TOLERANCE);
    }
  }

  @Test
  void tracesOfEveryLayer() {
    try (T5Model model = model("t5_v10");
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad();
        LayerTrace encoder = new LayerTrace(true, true);
        LayerTrace decoder = new LayerTrace(true, true);
        LayerTrace cross = new LayerTrace(false, true)) {
      Map<String, Tensor> golden = Goldens.tensors("t5_v10");
      Tensor mask = golden.get("plain.attention_mask");
      Tensor states =
          model.forward(
              new BackboneInput(
                  golden.get("plain.input_ids"), null, mask, null, null, null, encoder));
      BackboneInput tokens =
          new BackboneInput(
              golden.get("plain.decoder_input_ids"),
              null,
              golden.get("plain.decoder_attention_mask"),
              null,
              null,
              null,
              decoder);
      model.decode(new DecoderInput(tokens, states, mask, null, cross));

      assertAll(golden, "encoder_hidden_states", encoder.takeHiddenStates());
      assertAll(golden, "encoder_attentions", encoder.takeAttentions());
      assertAll(golden, "decoder_hidden_states", decoder.takeHiddenStates());
      assertAll(golden, "decoder_attentions", decoder.takeAttentions());
      assertAll(golden, "cross_attentions", cross.takeAttentions());
    }
  }

  private static void assertAll(Map<String, Tensor> golden, String name, List<Tensor> actual) {
    long expected =
        golden.keySet().stream().filter(key -> key.startsWith("trace." + name + ".")).count();
    assertEquals(expected, actual.size(), name);
    for (int i = 0; i < actual.size(); i++) {
      assertClose(golden.get("trace." + name + "." + i), actual.get(i), TOLERANCE);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"t5_v10", "t5_v11", "t5_mt5"})
  void cachedStepsEqualOneForwardPass(String name) {
    try (T5Model model = model(name);
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad();
        EncoderDecoderCache cache = new EncoderDecoderCache(model.cachedLayers(), 2)) {
      Map<String, Tensor> golden = Goldens.tensors(name);
      Tensor ids = golden.get("long.decoder_input_ids");
      Tensor source = golden.get("plain.input_ids").narrow(0, 1, 1);
      Tensor mask = golden.get("plain.attention_mask").narrow(0, 1, 1);
      Tensor states = model.forward(input(source, mask, null));
      Tensor whole =
          model.decode(new DecoderInput(input(ids, null, null), states, mask, null, null));

      long at = 0;
      for (long step : new long[] {1, 1, 3, 1, 2, 20, 1, 1, 1, 1}) {
        BackboneInput tokens = input(ids.narrow(1, at, step), null, cache);
        Tensor some = model.decode(new DecoderInput(tokens, states, mask, cache, null));
        assertClose(whole.narrow(1, at, step), some, TOLERANCE);
        at += step;
        assertEquals(at, cache.length());
      }
    }
  }

  @Test
  void recomputedLayersHaveTheSameGradients() {
    try (T5Model model = model("t5_v11")) {
      Map<String, float[]> kept = gradients(model, false);
      Map<String, float[]> recomputed = gradients(model, true);
      kept.forEach(
          (name, gradient) -> {
            try (TensorScope scope = TensorScope.open("compare")) {
              float[] other = recomputed.get(name);
              assertClose(
                  Creation.ofFloats(gradient, gradient.length),
                  Creation.ofFloats(other, other.length),
                  GRADIENT_TOLERANCE);
            }
          });
    }
  }

  private static Map<String, float[]> gradients(T5Model model, boolean recompute) {
    Map<String, float[]> result = new HashMap<>();
    model.gradientCheckpointing(recompute);
    model.train(true);
    model.zeroGrad();
    try (TensorScope scope = TensorScope.openGraph("step")) {
      Map<String, Tensor> golden = Goldens.tensors("t5_v11");
      Tensor mask = golden.get("plain.attention_mask");
      Tensor states = model.forward(input(golden.get("plain.input_ids"), mask, null));
      BackboneInput tokens =
          input(
              golden.get("plain.decoder_input_ids"),
              golden.get("plain.decoder_attention_mask"),
              null);
      Tensor hidden = model.decode(new DecoderInput(tokens, states, mask, null, null));
      hidden.pow(2).sum().backward();
      model
          .namedParameters()
          .forEach(
              (name, parameter) ->
                  result.put(name, parameter.tensor().grad().orElseThrow().toFloats()));
    }
    return result;
  }
}
