package org.peftjava.transformers.model.t5;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.peftjava.transformers.Goldens.assertClose;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModel;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.FeatureExtraction;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.Seq2SeqInput;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.Seq2SeqOutput;

/** T5 v1.0, v1.1 and mT5 against the outputs, losses and gradients of transformers. */
class T5GoldenTest {
  private static final double TOLERANCE = 1e-5;
  private static final double GRADIENT = 1e-4;

  private static Seq2SeqLM model(String name) {
    return AutoModelForSeq2SeqLM.fromPretrained(Goldens.folder(name).resolve("model"));
  }

  private static ModelInput.Builder plain(Map<String, Tensor> golden) {
    return source(golden, "plain")
        .seq2seq(
            Seq2SeqInput.builder()
                .decoderInputIds(tensor(golden, "plain.decoder_input_ids"))
                .decoderAttentionMask(tensor(golden, "plain.decoder_attention_mask"))
                .build());
  }

  private static ModelInput.Builder source(Map<String, Tensor> golden, String batch) {
    return ModelInput.builder()
        .inputIds(tensor(golden, batch + ".input_ids"))
        .attentionMask(tensor(golden, batch + ".attention_mask"));
  }

  private static Tensor tensor(Map<String, Tensor> golden, String name) {
    Tensor tensor = golden.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException("no golden " + name);
    }
    return tensor;
  }

  /** Logits where the decoder's mask is 1; what padding attends to is nobody's business. */
  private static void assertLogits(
      Map<String, Tensor> golden, String key, Tensor actual, double tolerance) {
    Tensor padding = tensor(golden, "plain.decoder_attention_mask").eq(0).unsqueeze(-1);
    Tensor expected = tensor(golden, key);
    assertEquals(expected.dtype(), actual.dtype());
    assertClose(expected.maskedFill(padding, 0), actual.maskedFill(padding, 0), tolerance);
  }

  @ParameterizedTest
  @ValueSource(strings = {"t5_v10", "t5_v11", "t5_mt5"})
  void logitsOfPaddedBatches(String name) {
    try (Seq2SeqLM model = model(name);
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Map<String, Tensor> golden = Goldens.tensors(name);
      ModelOutput output = model.forward(plain(golden).build());
      assertLogits(golden, "plain.logits", output.logits().orElseThrow(), TOLERANCE);
      Tensor states = output.seq2seq().orElseThrow().encoderLastHiddenState();
      assertClose(tensor(golden, "plain.encoder_last_hidden_state"), states, TOLERANCE);

      // the encoder's states can be handed in, and the last positions asked for
      ModelInput again =
          ModelInput.builder()
              .attentionMask(tensor(golden, "plain.attention_mask"))
              .seq2seq(
                  Seq2SeqInput.builder()
                      .decoderInputIds(tensor(golden, "plain.decoder_input_ids"))
                      .encoderOutputs(states)
                      .build())
              .logitsToKeep(2)
              .build();
      Tensor last = model.forward(again).logits().orElseThrow();
      assertClose(
          tensor(golden, "plain.logits").narrow(0, 0, 1).narrow(1, 4, 2),
          last.narrow(0, 0, 1),
          TOLERANCE);
      assertEquals(!name.equals("t5_v11"), model.isTied());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"t5_v10", "t5_v11", "t5_mt5"})
  void sequencesBeyondTheLargestDistance(String name) {
    try (Seq2SeqLM model = model(name);
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Map<String, Tensor> golden = Goldens.tensors(name);
      Tensor expected = tensor(golden, "long.last_logits");
      ModelInput input =
          ModelInput.builder()
              .inputIds(tensor(golden, "long.input_ids"))
              .decoderInputIds(tensor(golden, "long.decoder_input_ids"))
              .logitsToKeep((int) expected.size(1))
              .build();
      assertClose(expected, model.forward(input).logits().orElseThrow(), TOLERANCE);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"t5_v10", "t5_v11", "t5_mt5"})
  void lossAndGradients(String name) {
    try (Seq2SeqLM model = model(name);
        TensorScope scope = TensorScope.openGraph("test")) {
      Map<String, Tensor> golden = Goldens.tensors(name);
      Tensor expected = tensor(golden, "labels.loss");
      ModelInput.Builder input = source(golden, "in").labels(tensor(golden, "in.labels"));

      ModelOutput both = model.forward(input.outputLogits(true).build());
      assertClose(expected, both.loss().orElseThrow(), TOLERANCE);
      assertClose(tensor(golden, "labels.logits"), both.logits().orElseThrow(), TOLERANCE);
      ModelOutput alone = model.forward(input.outputLogits(false).build());
      assertClose(expected, alone.loss().orElseThrow(), TOLERANCE);
      assertTrue(alone.logits().isEmpty());

      alone.loss().orElseThrow().backward();
      Map<String, Parameter> parameters = model.namedParameters();
      List<String> compared = new ArrayList<>();
      golden.forEach(
          (key, gradient) -> {
            if (key.startsWith("grad.")) {
              Parameter parameter = parameters.get(key.substring("grad.".length()));
              assertClose(gradient, parameter.tensor().grad().orElseThrow(), GRADIENT);
              compared.add(key);
            }
          });
      assertTrue(compared.size() >= 14, compared::toString);

      // a frozen head takes another way, and gradients still reach the layers below
      model.zeroGrad();
      model.requiresGrad(false);
      String query = "decoder.block.0.layer.1.EncDecAttention.q.weight";
      parameters.get(query).requiresGrad(true);
      Tensor frozen = model.forward(input.build()).loss().orElseThrow();
      assertClose(expected, frozen, TOLERANCE);
      frozen.backward();
      assertClose(
          tensor(golden, "grad." + query),
          parameters.get(query).tensor().grad().orElseThrow(),
          GRADIENT);
      // eight of the ten labels count
      assertClose(
          expected.mul(2),
          model.forward(input.lossDivisor(4).build()).loss().orElseThrow(),
          TOLERANCE);
    }
  }

  @Test
  void tracesOfEveryLayer() {
    try (Seq2SeqLM model = model("t5_v10");
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Map<String, Tensor> golden = Goldens.tensors("t5_v10");
      ModelOutput output =
          model.forward(plain(golden).outputHiddenStates(true).outputAttentions(true).build());
      Seq2SeqOutput more = output.seq2seq().orElseThrow();
      assertTrace(golden, "encoder_hidden_states", more.encoderHiddenStates());
      assertTrace(golden, "encoder_attentions", more.encoderAttentions());
      assertTrace(golden, "decoder_hidden_states", output.hiddenStates());
      assertTrace(golden, "decoder_attentions", output.attentions());
      assertTrace(golden, "cross_attentions", more.crossAttentions());
    }
  }

  private static void assertTrace(Map<String, Tensor> golden, String name, List<Tensor> actual) {
    String prefix = "trace." + name + ".";
    assertEquals(
        golden.keySet().stream().filter(key -> key.startsWith(prefix)).count(), actual.size());
    for (int i = 0; i < actual.size(); i++) {
      assertClose(tensor(golden, prefix + i), actual.get(i), TOLERANCE);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"t5_v10", "t5_v11", "t5_mt5"})
  void halfPrecision(String name) {
    Map<DType, Double> tolerances = Map.of(DType.BFLOAT16, 0.1, DType.FLOAT16, 0.01);
    tolerances.forEach(
        (dtype, tolerance) -> {
          try (Seq2SeqLM model =
                  AutoModelForSeq2SeqLM.fromPretrained(
                      Goldens.folder(name).resolve("model"), o -> o.dtype(dtype));
              TensorScope scope = TensorScope.open("test");
              GradMode off = GradMode.noGrad()) {
            Map<String, Tensor> golden = Goldens.tensors(name);
            // else rounding decides whom attention chooses; the goldens did the same
            model
                .namedParameters()
                .forEach(
                    (key, weight) -> {
                      if (key.endsWith("Attention.q.weight")) {
                        weight.tensor().mulInPlace(0.125);
                      }
                    });
            Tensor logits = model.forward(plain(golden).build()).logits().orElseThrow();
            assertLogits(golden, dtype.pythonName() + ".logits", logits, tolerance);
            Map<String, Parameter> weights = model.namedParameters();
            String output = "encoder.block.0.layer.0.SelfAttention.o.weight";
            if (dtype == DType.FLOAT16) {
              // what leaves the range of float16 is clamped
              weights.get(output).tensor().mulInPlace(1 << 15);
              Tensor clamped = model.forward(plain(golden).build()).logits().orElseThrow();
              assertLogits(golden, "float16.clamped_logits", clamped, tolerance);
            }
            // products of wo do not fit float16
            assertEquals(
                dtype == DType.FLOAT16 ? DType.FLOAT32 : dtype,
                weights.get("encoder.block.0.layer.1.DenseReluDense.wo.weight").dtype());
            assertEquals(dtype, weights.get(output).dtype());
          }
        });
  }

  @ParameterizedTest
  @ValueSource(strings = {"t5_v10", "t5_v11"})
  void theEncoderAloneMakesFeatures(String name) {
    try (FeatureExtraction model = AutoModel.fromPretrained(Goldens.folder(name).resolve("model"));
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Map<String, Tensor> golden = Goldens.tensors(name);
      Tensor hidden = model.forward(source(golden, "left").build()).lastHiddenState().orElseThrow();
      Tensor padding = tensor(golden, "left.attention_mask").eq(0).unsqueeze(-1);
      assertClose(
          tensor(golden, "left.encoder_last_hidden_state").maskedFill(padding, 0),
          hidden.maskedFill(padding, 0),
          TOLERANCE);
      assertFalse(
          model.module().namedState().keySet().stream().anyMatch(k -> k.contains("decoder")));
    }
  }
}
