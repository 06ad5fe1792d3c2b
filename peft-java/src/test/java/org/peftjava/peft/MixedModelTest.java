package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.tuner.ia3.IA3Config;
import org.peftjava.peft.tuner.loha.LoHaConfig;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.ModelInput;

/** Adapters of different types that act together: golden/mixed_model. */
@ExtendWith(LedgerCheck.class)
class MixedModelTest {
  private TensorScope scope;
  private Map<String, Tensor> golden;
  private CausalLM base;

  @BeforeEach
  void open() {
    scope = TensorScope.openGraph("test");
    golden = Goldens.tensors("mixed_model/io.safetensors");
    base = AutoModelForCausalLM.fromPretrained(folder("base"));
  }

  @AfterEach
  void close() {
    base.close();
    scope.close();
  }

  static List<List<String>> together() {
    List<List<String>> result = new ArrayList<>();
    Goldens.json(Goldens.path("mixed_model/case.json"))
        .path("together")
        .forEach(names -> result.add(Goldens.texts(names)));
    return result;
  }

  private static Path folder(String name) {
    return Goldens.path("mixed_model").resolve(name);
  }

  private PeftModelForCausalLM load(List<String> names) {
    PeftModelForCausalLM model =
        PeftMixedModel.fromPretrained(
            base, folder(names.get(0)), options -> options.adapterName(names.get(0)));
    names
        .subList(1, names.size())
        .forEach(name -> model.loadAdapter(folder(name), o -> o.adapterName(name)));
    model.setAdapter(names.toArray(String[]::new));
    return model;
  }

  private ModelInput.Builder input() {
    return ModelInput.builder()
        .inputIds(golden.get("in.input_ids"))
        .attentionMask(golden.get("in.attention_mask"));
  }

  private Tensor logits(CausalLanguageModel model) {
    try (GradMode off = GradMode.noGrad()) {
      return masked(model.forward(input().build()).logits().orElseThrow());
    }
  }

  private Tensor masked(Tensor logits) {
    return logits.maskedFill(golden.get("in.attention_mask").eq(0).unsqueeze(-1), 0);
  }

  private void assertLogits(String key, CausalLanguageModel model, double tolerance) {
    Goldens.assertClose(masked(golden.get(key + ".logits")), logits(model), tolerance, key);
  }

  @ParameterizedTest
  @MethodSource("together")
  void theyActAsInPython(List<String> names) {
    String key = String.join("+", names);
    try (PeftModelForCausalLM model = load(names)) {
      assertLogits(key, model, 1e-5);
      model.withoutAdapter(
          () -> {
            assertLogits(key + ".disabled", model, 1e-5);
            return key;
          });
      model.setAdapter(names.get(names.size() - 1));
      assertLogits(key + ".last", model, 1e-5);
      for (String name : names) {
        model.setAdapter(name);
        assertLogits(name, model, 1e-5);
      }
    }
  }

  /** Python's mixed model forgets AdaLoRA's part of the loss. */
  static List<List<String>> withoutAdaLora() {
    return together().stream().filter(names -> !names.contains("adalora")).toList();
  }

  @ParameterizedTest
  @MethodSource("withoutAdaLora")
  void gradientsArePythons(List<String> names) {
    String key = String.join("+", names);
    try (PeftModelForCausalLM model = load(names)) {
      Tensor loss =
          model.forward(input().labels(golden.get("in.labels")).build()).loss().orElseThrow();
      Goldens.assertClose(golden.get(key + ".loss"), loss, 1e-5, "loss");
      loss.backward();
      Map<String, Tensor> expected = new TreeMap<>();
      golden.forEach(
          (name, value) -> {
            if (name.startsWith(key + ".grad.")) { // Python's layers are one in the other
              String own = name.substring(key.length() + 6).replaceAll("(\\.base_layer)+\\.", ".");
              expected.put(own, value);
            }
          });
      model
          .namedParameters()
          .forEach(
              (name, parameter) -> {
                Tensor gradient = expected.remove(name);
                if (gradient != null) {
                  Tensor own =
                      parameter.tensor().grad().orElseThrow(() -> new AssertionError(name));
                  Goldens.assertClose(gradient, own, 1e-4, name);
                }
              });
      assertEquals(Map.of(), expected);
    }
  }

  @ParameterizedTest
  @MethodSource("together")
  void mergingKeepsTheOutput(List<String> names) {
    String key = String.join("+", names);
    try (PeftModelForCausalLM model = load(names)) {
      model.mergeAdapter(options -> options.adapterNames(names.get(names.size() - 1)));
      model.mergeAdapter(); // the inner ones come later, and are merged first
      assertLogits(key, model, 2e-5);
      model.unmergeAdapter();
      assertLogits(key, model, 2e-5);
      CausalLM merged = model.mergeAndUnload();
      assertLogits(key, merged, 2e-5);
    }
  }

  @Test
  void whatIsSavedIsReadAgain(@TempDir Path saved) {
    List<String> names = List.of("lora", "oft");
    try (PeftModelForCausalLM model = load(names)) {
      assertEquals("MixedModel", model.getModelStatus().adapterModelType());
      assertEquals(
          Map.of("lora", "LORA", "oft", "OFT"), new TreeMap<>(model.getModelStatus().peftTypes()));
      model.savePretrained(saved);
    }
    try (PeftModelForCausalLM model =
        PeftMixedModel.fromPretrained(base, saved.resolve("lora"), o -> o.adapterName("lora"))) {
      model.loadAdapter(saved.resolve("oft"), o -> o.adapterName("oft"));
      model.setAdapter("lora", "oft");
      assertLogits("lora+oft", model, 1e-5);
      model.deleteAdapter("oft");
      assertLogits("lora", model, 1e-5);
    }
  }

  @Test
  void whatCannotBeMixedIsRefused() {
    IA3Config ia3 = IA3Config.builder().targetModules("q_proj").feedforwardModules().build();
    RuntimeException first =
        assertThrows(
            IllegalArgumentException.class,
            () -> Peft.getPeftModel(base, ia3, options -> options.mixed(true)));
    assertTrue(first.getMessage().contains("LOHA, LOKR, LORA, OFT, SHIRA"), first.getMessage());
    try (PeftModelForCausalLM model = load(List.of("lora"))) {
      assertThrows(IllegalArgumentException.class, () -> model.addAdapter("ia3", ia3));
      model.addAdapter("b", LoHaConfig.builder().r(2).targetModules("q_proj").build());
      assertThrows(
          IllegalArgumentException.class,
          () -> model.addWeightedAdapter(List.of("lora", "b"), List.of(1.0, 1.0), "c"));
      assertEquals(List.of("b", "lora"), model.getModelStatus().availableAdapters());
    }
    try (PeftModelForCausalLM model = PeftModel.fromPretrained(base, folder("lora"), o -> {})) {
      RuntimeException plain =
          assertThrows(
              IllegalArgumentException.class,
              () -> model.loadAdapter(folder("oft"), o -> o.adapterName("oft")));
      assertTrue(plain.getMessage().contains("mixed(true)"), plain.getMessage());
    }
  }
}
