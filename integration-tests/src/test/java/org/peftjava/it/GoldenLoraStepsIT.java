package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** LoRA on OPT beside the real PEFT: optimizer steps and generation. */
@ExtendWith(NoLeaks.class)
class GoldenLoraStepsIT {
  static AdamW optimizer(Golden golden, Map<String, Parameter> parameters) {
    JsonNode settings = golden.facts().get("optimizer");
    return new AdamW(
        parameters,
        new AdamW.Options(
            settings.get("lr").asDouble(),
            settings.get("betas").get(0).asDouble(),
            settings.get("betas").get(1).asDouble(),
            settings.get("eps").asDouble(),
            settings.get("weight_decay").asDouble()));
  }

  private static List<Float> train(
      Golden golden, PeftModelForCausalLM model, Map<String, Parameter> parameters) {
    List<Float> losses = new ArrayList<>();
    try (AdamW optimizer = optimizer(golden, parameters)) {
      int steps = golden.facts().at("/optimizer/steps").asInt();
      for (int step = 0; step < steps; step++) {
        try (TensorScope scope = TensorScope.openGraph("step")) {
          Tensor loss = LoraCase.loss(golden, model);
          losses.add((float) loss.toDouble());
          loss.backward();
        }
        optimizer.step();
        optimizer.zeroGrad();
      }
    }
    return losses;
  }

  @ParameterizedTest
  @FieldSource("org.peftjava.it.LoraCase#FLOAT32")
  void threeSteps(String name) throws IOException {
    LoraCase.with(
        name,
        (golden, base, model) -> {
          Map<String, Parameter> parameters = LoraCase.trainable(model);
          List<Float> losses = train(golden, model, parameters);
          double tolerance = golden.tolerance("afterSteps");
          float[] expected = golden.get("train.losses").toFloats();
          assertEquals(3, losses.size());
          for (int step = 0; step < 3; step++) {
            assertEquals(expected[step], losses.get(step), 2 * tolerance, "loss of step " + step);
          }
          assertTrue(losses.get(2) < losses.get(0) - 0.01, losses::toString);
          Set<String> unstable = new TreeSet<>();
          golden.facts().get("unstableAfterSteps").forEach(key -> unstable.add(key.textValue()));
          assertEquals(
              LoraCase.keysBelow(golden, "train.after."), new TreeSet<>(parameters.keySet()));
          parameters.forEach(
              (key, parameter) -> {
                if (!unstable.contains(key)) {
                  Golden.assertClose(
                      golden.get("train.after." + key), parameter.tensor(), tolerance, key);
                }
              });
        });
  }

  /**
   * The first step of AdamW moves each element by the learning rate along the sign of its gradient:
   * where bfloat16 noise cannot change the sign, the step is exact.
   */
  @Test
  void theStepOfABfloat16BaseIsExactWhereTheSignIsCertain() throws IOException {
    LoraCase.with(
        LoraCase.BFLOAT16,
        (golden, base, model) -> {
          Map<String, Parameter> parameters = LoraCase.trainable(model);
          List<Float> losses = train(golden, model, parameters);
          assertEquals(
              golden.get("train.losses").toFloats()[0],
              losses.get(0),
              4 * golden.tolerance("forward"));
          int certain = 0;
          for (Map.Entry<String, Parameter> entry : parameters.entrySet()) {
            float[] gradient = golden.get("grad." + entry.getKey()).toFloats();
            float[] expected = golden.get("train.after." + entry.getKey()).toFloats();
            float[] actual = entry.getValue().tensor().toFloats();
            for (int i = 0; i < gradient.length; i++) {
              if (Math.abs(gradient[i]) > golden.tolerance("gradient")) {
                assertEquals(expected[i], actual[i], 1e-6, entry.getKey() + " [" + i + "]");
                certain++;
              }
            }
          }
          assertTrue(certain > 50, "only " + certain + " elements have a certain sign");
        });
  }

  @ParameterizedTest
  @FieldSource("org.peftjava.it.LoraCase#FLOAT32")
  void generation(String name) throws IOException {
    LoraCase.with(
        name,
        (golden, base, model) -> {
          TokenBatch prompt =
              TokenBatch.of(golden.rows("left.input_ids"), golden.rows("left.attention_mask"));
          long stop = golden.get("gen.stop_token").toLong();
          for (boolean useCache : new boolean[] {true, false}) {
            assertArrayEquals(
                golden.rows("gen.ids"),
                model
                    .generate(prompt, g -> g.maxNewTokens(6).eosTokenId().useCache(useCache))
                    .ids());
            assertArrayEquals(
                golden.rows("gen.stopped_ids"),
                model
                    .generate(prompt, g -> g.maxNewTokens(6).eosTokenId(stop).useCache(useCache))
                    .ids());
          }
          assertChoices(golden, model);
        });
  }

  /** The logits from which each new token was chosen. */
  private static void assertChoices(Golden golden, PeftModelForCausalLM model) {
    long[][] ids = golden.rows("gen.ids");
    long[][] mask = golden.rows("left.attention_mask");
    for (int token = 0; token < 6; token++) {
      try (TensorScope scope = TensorScope.open("choice");
          GradMode off = GradMode.noGrad()) {
        long[][] seen = new long[ids.length][7 + token];
        long[][] seenMask = new long[ids.length][7 + token];
        for (int row = 0; row < ids.length; row++) {
          System.arraycopy(ids[row], 0, seen[row], 0, seen[row].length);
          Arrays.fill(seenMask[row], 1);
          System.arraycopy(mask[row], 0, seenMask[row], 0, 7);
        }
        Tensor logits = model.forward(TokenBatch.of(seen, seenMask)).logits().orElseThrow();
        Golden.assertClose(
            golden.get("gen.logits").select(0, token),
            logits.select(1, 6 + token),
            golden.tolerance("forward"),
            "logits of new token " + token);
      }
    }
  }
}
