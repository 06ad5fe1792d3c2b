package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.Sites;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.supertuning.SupertuningConfig;
import org.peftjava.peft.tuner.supertuning.SupertuningMethod;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;

/** What is Super-Tuning's own; its numbers are in the tuner goldens. */
@ExtendWith(LedgerCheck.class)
class SupertuningTest {
  private static SupertuningConfig.Builder config() {
    return SupertuningConfig.builder().sparsity(0.9).targetModules("q_proj", "fc1");
  }

  private static String refused(SupertuningConfig.Builder builder) {
    return assertThrows(IllegalArgumentException.class, builder::build).getMessage();
  }

  /** golden/supertuning_start. */
  @ParameterizedTest
  @ValueSource(strings = {"random", "plain"})
  void theSameSeedGivesPythonsAdapter(String start) {
    try (TinyOpt opt = new TinyOpt()) {
      Randomness.manualSeed(4);
      try (PeftModelForCausalLM model =
          Peft.getPeftModel(opt.base(), config().r(3).initWeights(start.equals("plain")).build())) {
        Map<String, Tensor> expected = new TreeMap<>();
        Goldens.tensors("supertuning_start/io.safetensors")
            .forEach(
                (key, value) -> {
                  if (key.startsWith(start + ".")) {
                    expected.put(key.substring(start.length() + 1), value);
                  }
                });
        Map<String, Parameter> state = new TreeMap<>(model.namedState());
        state.keySet().removeIf(key -> !key.contains("supertuning"));
        assertEquals(expected.keySet(), state.keySet());
        state.forEach(
            (key, value) ->
                Goldens.assertClose(
                    expected.get(key).to(DType.FLOAT32),
                    value.tensor().to(DType.FLOAT32),
                    1e-6,
                    key));
      }
    }
  }

  @Test
  void dropoutActsOnTheMatricesInTraining() {
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model =
            Peft.getPeftModel(
                opt.base(), config().r(3).loraDropout(0.5).initWeights(false).build())) {
      model.eval();
      float[] plain = opt.logits(model).toFloats();
      assertArrayEquals(plain, opt.logits(model).toFloats());
      model.train(true);
      Randomness.manualSeed(5);
      assertFalse(Arrays.equals(plain, opt.logits(model).toFloats()));
    }
  }

  @Test
  void configsThatCannotBeAreRefused() {
    assertTrue(refused(config().sparsity(1)).contains("sparsity must be in [0, 1), got 1.0"));
    assertTrue(refused(config().loraAlpha(8)).contains("loraAlpha needs a rank r"));
    assertTrue(refused(config().r(0)).contains("r must be 1 or more, or null, got 0"));
    assertTrue(refused(config().loraDropout(1)).contains("loraDropout must be in [0, 1)"));
    assertEquals(8, config().r(4).build().loraAlpha());
    assertEquals(6L, config().build().with("r", 3).fields().get("lora_alpha"));
  }

  @Test
  void allAdaptersSaveTheirPlacesOrNone() {
    TunerConfig other = config().savePrecomputedIndices(false).build();
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model = Peft.getPeftModel(opt.base(), config().build())) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> model.addAdapter("other", other))
              .getMessage();
      assertTrue(message.contains("savePrecomputedIndices must be true"), message);
      assertEquals(1, model.peftConfig().size());
    }
  }

  @Test
  void aWeightOfWhichNothingWouldBeTrainedIsRefused() {
    try (TinyOpt opt = new TinyOpt()) {
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> Peft.getPeftModel(opt.base(), config().sparsity(0.999).build()))
              .getMessage();
      assertTrue(message.contains("leaves none of the 256 elements"), message);
    }
  }

  @Test
  void transposedWeightsAreRefused() {
    try (var base = AutoModelForCausalLM.fromPretrained(Goldens.path("gpt2_lora/base"))) {
      SupertuningConfig config =
          SupertuningConfig.builder().sparsity(0.9).targetModules("c_attn").build();
      String message =
          assertThrows(IllegalArgumentException.class, () -> Peft.getPeftModel(base, config))
              .getMessage();
      assertTrue(message.contains("Conv1D"), message);
    }
  }

  @Test
  void placesOutsideTheWeightAreRefused() {
    LayerSite site = Sites.linear(4, 3);
    site.layer().initialize();
    LayerAdapter adapter =
        new SupertuningMethod()
            .newAdapter(site, config().sparsity(0.75).targetModules("fc").build());
    try (TensorScope scope = TensorScope.open("test")) {
      AdapterTensor places = adapter.saved().get("supertuning_indices");
      Tensor wrong = Creation.ofLongs(new long[] {0, 12, 3}, 3).to(DType.INT32);
      assertEquals(
          "A Super-Tuning adapter trains element 12 of a weight of 12 elements. Do the file and the"
              + " base model belong together?",
          assertThrows(IllegalArgumentException.class, () -> places.write().accept(wrong))
              .getMessage());
      places.write().accept(Creation.ofLongs(new long[] {0, 11, 3}, 3).to(DType.INT32));
      assertArrayEquals(new long[] {0, 11, 3}, places.read().get().to(DType.INT64).toLongs());
    } finally {
      Sites.close(adapter);
      site.layer().close();
    }
  }
}
