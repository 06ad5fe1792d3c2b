package org.peftjava.peft.tuner.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.Goldens;
import org.peftjava.peft.LedgerCheck;
import org.peftjava.peft.PeftConfig;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.AdaptedLayer;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;

/** MonteCLoRA in training against the real PEFT, with its random numbers: golden/monteclora. */
@ExtendWith(LedgerCheck.class)
class MontecloraTest {
  private static final String FOLDER = "tuner_monteclora";

  private static ModelInput input() {
    Map<String, Tensor> golden = Goldens.tensors(FOLDER + "/io.safetensors");
    return ModelInput.builder()
        .inputIds(golden.get("in.input_ids"))
        .attentionMask(golden.get("in.attention_mask"))
        .labels(golden.get("in.labels"))
        .build();
  }

  private static PeftModelForCausalLM model(CausalLM base, boolean entropy) {
    TunerConfig config = PeftConfig.fromPretrained(Goldens.path(FOLDER + "/adapter"));
    LoraConfig lora = (LoraConfig) config;
    MontecloraConfig options = lora.montecloraConfig().orElseThrow();
    Map<String, Object> values = new LinkedHashMap<>(options.values());
    values.put("use_entropy", entropy);
    return PeftModel.fromPretrained(
        base,
        Goldens.path(FOLDER + "/adapter"),
        o -> o.isTrainable(true).config(lora.with("monteclora_config", values)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"plain", "entropy"})
  void lossGradientsAndBuffersAreThoseOfTheDraw(String name) {
    try (TensorScope scope = TensorScope.openGraph("monteclora");
        CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path("opt_lora/base"));
        PeftModelForCausalLM model = model(base, name.equals("entropy"))) {
      Map<String, Tensor> golden = Goldens.tensors("monteclora/io.safetensors");
      TunedModel.in(base)
          .orElseThrow()
          .layers()
          .forEach(
              (path, layer) ->
                  adapter(layer)
                      .random(
                          d ->
                              new MonteCarlo.Draw(
                                  golden.get(name + ".normal." + path),
                                  golden.get(name + ".chi." + path),
                                  golden.get(name + ".shares." + path))));
      model.train(true);
      Tensor loss = model.forward(input()).loss().orElseThrow();
      Tensor penalty = golden.get(name + ".penalty");
      Goldens.assertClose(penalty, model.trainingPenalty().orElseThrow(), 1e-5, "penalty");
      Goldens.assertClose(golden.get(name + ".loss").add(penalty), loss, 1e-5, "loss");
      loss.backward();
      model
          .namedState()
          .forEach(
              (key, value) -> {
                if (value.requiresGrad()) {
                  Tensor gradient = value.tensor().grad().orElseThrow();
                  Goldens.assertClose(golden.get(name + ".grad." + key), gradient, 1e-4, key);
                } else if (key.contains("monteclora")) {
                  Goldens.assertClose(
                      golden.get(name + ".buffer." + key), value.tensor(), 1e-5, key);
                }
              });
      model.zeroGrad();
    }
  }

  private static MontecloraAdapter adapter(AdaptedLayer layer) {
    return (MontecloraAdapter) layer.adapters().get(PeftModel.DEFAULT_ADAPTER);
  }

  @Test
  void evaluationDrawsNothingAndCostsNothing() {
    try (TensorScope scope = TensorScope.openGraph("monteclora");
        CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path("opt_lora/base"));
        PeftModelForCausalLM model = model(base, true)) {
      model.train(true);
      float[] first = logits(model);
      assertFalse(Arrays.equals(first, logits(model)), "each pass draws anew");
      assertTrue(penalty(model) != 0);
      model.eval();
      float[] plain = logits(model);
      assertArrayEquals(plain, logits(model));
      assertEquals(0, penalty(model));
    }
  }

  private static double penalty(PeftModel model) {
    Optional<Tensor> penalty = model.trainingPenalty();
    return penalty.orElseThrow().toDouble();
  }

  private static float[] logits(PeftModelForCausalLM model) {
    ModelInput input = input().toBuilder().labels(null).build();
    return model.forward(input).logits().orElseThrow().toFloats();
  }

  @Test
  void drawsHaveTheDistributionsThatTheyAreNamedAfter() {
    Randomness.manualSeed(4);
    try (TensorScope scope = TensorScope.open("draw")) {
      try (Parameter spread = parameter(5);
          Parameter preference = parameter(2)) {
        MontecloraConfig config = MontecloraConfig.builder().numSamples(2).build();
        MonteCarlo.Draw draw = new MonteCarlo(spread, preference, config).draw(2000);
        assertEquals(0, draw.normal().mean().toDouble(), 0.03);
        assertEquals(1, draw.normal().pow(2).mean().toDouble(), 0.03);
        double sum = 0;
        for (int i = 0; i < 400; i++) {
          sum += new MonteCarlo(spread, preference, config).draw(1).chiSquare().mean().toDouble();
        }
        assertEquals(5, sum / 400, 0.3, "the mean of chi-squared numbers is their freedom");
      }
    }
  }

  private static Parameter parameter(long size) {
    Parameter result = new Parameter(Shape.of(size), DType.FLOAT32, Init.zeros());
    result.initialize();
    return result;
  }
}
