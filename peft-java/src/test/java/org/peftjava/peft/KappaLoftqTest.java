package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;

/** Help with the choice of targets and first values, against golden/kappa and loftq_replaced. */
@ExtendWith(LedgerCheck.class)
class KappaLoftqTest {
  private static final Path NF4 = Goldens.path("bnb/nf4");
  private static final Path DENSE = Goldens.path("bnb/base_bf16");

  // ---- KappaTune ----

  private static void assertNumbers(JsonNode expected, Map<String, Double> actual) {
    List<String> names = new ArrayList<>();
    expected
        .properties()
        .forEach(
            entry -> {
              names.add(entry.getKey());
              double value = actual.getOrDefault(entry.getKey(), Double.NaN);
              assertEquals(entry.getValue().doubleValue(), value, 2e-3 * value, entry.getKey());
            });
    assertEquals(names, List.copyOf(actual.keySet()));
  }

  @Test
  void kappaTuneChoosesAsPython() {
    JsonNode golden = Goldens.json(Goldens.path("kappa.json"));
    try (CausalLM llama = AutoModelForCausalLM.fromPretrained(Goldens.path("decoder_llama/base"));
        ExpertsModel experts = ExpertsModel.load()) {
      assertNumbers(golden.get("llama"), new KappaTuneSelector(llama).conditionNumbers());
      KappaTargets targets = Peft.findKappaTargetModules(llama, 0.3);
      assertEquals(Goldens.texts(golden.get("llamaTop")), targets.targetModules());
      assertEquals(Optional.empty(), targets.targetParameters());
      assertEquals(
          targets.targetModules().subList(0, 2), new KappaTuneSelector(llama).getBestTargets(2));

      KappaTuneSelector of =
          new KappaTuneSelector(experts, 100, List.of(".gate_up", ".down", ".inner"));
      assertNumbers(golden.get("experts"), of.conditionNumbers());
      assertNumbers(golden.get("expertsParameters"), of.parameterConditionNumbers());
      assertEquals(Goldens.texts(golden.get("expertsTop")), of.getBestTargetParameters(0.5));
      assertEquals(
          List.of(), new KappaTuneSelector(experts, 6, List.of(".down")).getBestTargets(1));
      String message =
          assertThrows(
                  IllegalArgumentException.class, () -> Peft.findKappaTargetModules(llama, 1.5))
              .getMessage();
      assertEquals("topP is 1.5. Expected the part of the targets to take, in (0, 1].", message);
    }
  }

  // ---- LoftQ ----

  private static LoraConfig threeRanks() {
    return LoraConfig.builder()
        .r(3)
        .loraAlpha(3)
        .targetModules("q_proj", "down_proj")
        .initLoraWeights(false)
        .build();
  }

  private static float[] product(PeftModel model, String layer) {
    try (GradMode off = GradMode.noGrad()) {
      Map<String, Tensor> state = Peft.getPeftModelStateDict(model);
      String key = "base_model.model." + layer;
      return state.get(key + ".lora_B.weight").matmul(state.get(key + ".lora_A.weight")).toFloats();
    }
  }

  @Test
  void loftqMakesUpForWhatQuantizingHasLost() {
    Map<String, Tensor> golden;
    try (TensorScope scope = TensorScope.open("test");
        CausalLM base = AutoModelForCausalLM.fromPretrained(NF4);
        PeftModelForCausalLM model = Peft.getPeftModel(base, threeRanks())) {
      golden = Goldens.tensors("loftq_replaced/io.safetensors");
      List<String> layers =
          golden.keySet().stream()
              .filter(key -> key.endsWith(".product"))
              .map(key -> key.replace(".product", ""))
              .toList();
      float[] kept = product(model, layers.get(0));
      List<String> asked = new ArrayList<>();
      Peft.replaceLoraWeightsLoftq(
          model,
          o ->
              o.modelPath(DENSE)
                  .callback(
                      (whole, layer) -> {
                        asked.add(layer);
                        assertNotEquals(0, product(whole, layer)[0]);
                        return !layer.equals(layers.get(0));
                      }));
      assertEquals(new TreeSet<>(layers), new TreeSet<>(asked));
      assertArrayEquals(kept, product(model, layers.get(0)), "rolled back");
      assertArrayEquals(
          golden.get(layers.get(1) + ".product").toFloats(), product(model, layers.get(1)), 1e-6f);
      Peft.replaceLoraWeightsLoftq(
          model, o -> o.modelPath(DENSE.resolve("model.safetensors")).adapterName("default"));
      for (String layer : layers) {
        assertArrayEquals(
            golden.get(layer + ".product").toFloats(), product(model, layer), 1e-6f, layer);
        Tensor a =
            Peft.getPeftModelStateDict(model).get("base_model.model." + layer + ".lora_A.weight");
        try (GradMode off = GradMode.noGrad()) {
          Goldens.assertClose(golden.get(layer + ".gram"), a.matmul(a.t()), 1e-6, layer);
        }
      }
      // Out of the folder that the model came from: those weights are quantized.
      String message =
          assertThrows(IllegalArgumentException.class, () -> Peft.replaceLoraWeightsLoftq(model))
              .getMessage();
      assertTrue(message.contains("Is it another model's file, or a quantized one?"), message);
    }
    try (CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path("cpt_opt/base"));
        PeftModelForCausalLM model =
            Peft.getPeftModel(base, threeRanks().toBuilder().targetModules("q_proj").build())) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> Peft.replaceLoraWeightsLoftq(model))
              .getMessage();
      assertTrue(message.startsWith("Adapter \"default\" is on no 4-bit layer."), message);
    }
  }
}
