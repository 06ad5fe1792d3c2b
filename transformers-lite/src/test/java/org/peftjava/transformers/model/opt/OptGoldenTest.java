package org.peftjava.transformers.model.opt;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.peftjava.transformers.Goldens.assertClose;

import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.StateDict;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.model.KvCache;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** OPT against the outputs of transformers: opt_lora has norms before, opt350_lora after blocks. */
class OptGoldenTest {
  private static final double TOLERANCE = 1e-5;

  @ParameterizedTest
  @ValueSource(strings = {"opt_lora", "opt350_lora", "opt_embedding"})
  void logitsOfPaddedBatches(String name) {
    try (CausalLM model =
            AutoModelForCausalLM.fromPretrained(Goldens.folder(name).resolve("base"));
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Map<String, Tensor> golden = Goldens.tensors(name);

      assertClose(
          tensor(golden, "base.logits"), logits(model, input(golden, "in").build()), TOLERANCE);
      ModelInput.Builder left = input(golden, "left");
      assertClose(tensor(golden, "base.left_logits"), logits(model, left.build()), TOLERANCE);
      left.positionIds(tensor(golden, "left.position_ids"));
      assertClose(tensor(golden, "base.left_logits"), logits(model, left.build()), TOLERANCE);
      left.logitsToKeep(2);
      assertClose(
          tensor(golden, "base.left_logits").narrow(1, 5, 2),
          logits(model, left.build()),
          TOLERANCE);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"opt_lora", "opt350_lora"})
  void loss(String name) {
    try (CausalLM model =
            AutoModelForCausalLM.fromPretrained(Goldens.folder(name).resolve("base"));
        TensorScope scope = TensorScope.openGraph("test")) {
      Map<String, Tensor> golden = Goldens.tensors(name);
      Tensor expected = tensor(golden, "base.loss");
      ModelInput.Builder input = input(golden, "in").labels(tensor(golden, "in.labels"));

      ModelOutput trainable = model.forward(input.build());
      assertClose(expected, trainable.loss().orElseThrow(), TOLERANCE);
      assertTrue(trainable.logits().isEmpty());
      assertTrue(trainable.loss().orElseThrow().requiresGrad());
      ModelOutput both = model.forward(input.outputLogits(true).build());
      assertClose(expected, both.loss().orElseThrow(), TOLERANCE);
      assertClose(tensor(golden, "base.logits"), both.logits().orElseThrow(), TOLERANCE);

      model.requiresGrad(false);
      input.outputLogits(false);
      assertClose(expected, model.forward(input.build()).loss().orElseThrow(), TOLERANCE);
      // ten of the fourteen labels count after the shift, so this is the mean again
      input.lossDivisor(10);
      assertClose(expected, model.forward(input.build()).loss().orElseThrow(), TOLERANCE);
      input.lossDivisor(5);
      assertClose(expected.mul(2), model.forward(input.build()).loss().orElseThrow(), TOLERANCE);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"opt_lora", "opt350_lora"})
  void cachedStepsEqualOneForwardPass(String name) {
    try (CausalLM model =
            AutoModelForCausalLM.fromPretrained(Goldens.folder(name).resolve("base"));
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad();
        KvCache cache = model.newCache(2)) {
      Map<String, Tensor> golden = Goldens.tensors(name);
      Tensor ids = tensor(golden, "left.input_ids");
      Tensor mask = tensor(golden, "left.attention_mask");
      Tensor expected = tensor(golden, "base.left_logits");

      long[] steps = {3, 1, 2, 1};
      long at = 0;
      for (long step : steps) {
        ModelInput.Builder input =
            ModelInput.builder()
                .inputIds(ids.narrow(1, at, step))
                .attentionMask(mask.narrow(1, 0, at + step))
                .past(cache);
        assertClose(expected.narrow(1, at, step), logits(model, input.build()), TOLERANCE);
        at += step;
        assertEquals(at, cache.length());
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"opt_lora", "opt350_lora"})
  void greedyGeneration(String name) {
    try (CausalLM model =
            AutoModelForCausalLM.fromPretrained(Goldens.folder(name).resolve("base"));
        TensorScope scope = TensorScope.open("test")) {
      Map<String, Tensor> golden = Goldens.tensors(name);
      loadMerged(model, golden);
      TokenBatch batch = leftPadded(golden);

      for (boolean useCache : new boolean[] {true, false}) {
        assertArrayEquals(
            Goldens.rows(tensor(golden, "gen.ids")),
            model.generate(batch, g -> g.maxNewTokens(6).eosTokenId().useCache(useCache)).ids());
        long stop = tensor(golden, "gen.stop_token").toLong();
        assertArrayEquals(
            Goldens.rows(tensor(golden, "gen.stopped_ids")),
            model
                .generate(batch, g -> g.maxNewTokens(6).eosTokenId(stop).useCache(useCache))
                .ids());
      }
    }
  }

  @Test
  void bfloat16StaysWithinItsPrecision() {
    try (CausalLM model =
            AutoModelForCausalLM.fromPretrained(Goldens.folder("opt_bfloat16").resolve("base"));
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Map<String, Tensor> golden = Goldens.tensors("opt_bfloat16");

      assertEquals(DType.BFLOAT16, model.dtype());
      assertClose(tensor(golden, "base.logits"), logits(model, input(golden, "in").build()), 0.06);
    }
  }

  /** The adapter's effect as plain weights: what the goldens generated with. */
  private static void loadMerged(CausalLM model, Map<String, Tensor> golden) {
    Map<String, Tensor> merged = new HashMap<>();
    String prefix = "merged.weight.";
    golden.forEach(
        (name, value) -> {
          if (name.startsWith(prefix)) {
            merged.put(name.substring(prefix.length()), value);
          }
        });
    assertTrue(StateDict.load(model, merged, StateDict.Mode.COPY).isClean());
  }

  private static TokenBatch leftPadded(Map<String, Tensor> golden) {
    return TokenBatch.of(
        Goldens.rows(tensor(golden, "left.input_ids")),
        Goldens.rows(tensor(golden, "left.attention_mask")));
  }

  private static ModelInput.Builder input(Map<String, Tensor> golden, String prefix) {
    return ModelInput.builder()
        .inputIds(tensor(golden, prefix + ".input_ids"))
        .attentionMask(tensor(golden, prefix + ".attention_mask"));
  }

  private static Tensor logits(CausalLM model, ModelInput input) {
    return model.forward(input).logits().orElseThrow();
  }

  private static Tensor tensor(Map<String, Tensor> golden, String name) {
    Tensor tensor = golden.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException("no golden " + name);
    }
    return tensor;
  }
}
