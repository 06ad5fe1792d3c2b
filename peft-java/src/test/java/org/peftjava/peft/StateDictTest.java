package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.StateDict.LoadReport;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;

/** State dicts of adapters against golden/state_dicts.json, and over every tuning method. */
@ExtendWith(LedgerCheck.class)
class StateDictTest {
  private static final String CASES = "org.peftjava.peft.TunerCase#names";
  private static final JsonNode GOLDEN = Goldens.json(Goldens.path("state_dicts.json"));

  private static LoraConfig lora(int r, String... targets) {
    return LoraConfig.builder()
        .r(r)
        .loraAlpha(7)
        .targetModules(targets)
        .initLoraWeights(false)
        .build();
  }

  private static LoraConfig withHead() {
    return LoraConfig.builder()
        .r(3)
        .loraAlpha(7)
        .targetModules("q_proj", "v_proj")
        .modulesToSave("lm_head")
        .initLoraWeights(false)
        .build();
  }

  private static CausalLM untied() {
    return AutoModelForCausalLM.fromPretrained(Goldens.path("cpt_opt/base"));
  }

  @ParameterizedTest
  @MethodSource(CASES)
  void theStateIsWhatPythonSaves(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load();
        TensorScope scope = TensorScope.open("state")) {
      Map<String, Tensor> expected = Goldens.tensors(name + "/adapter/adapter_model.safetensors");
      Map<String, Tensor> state = Peft.getPeftModelStateDict(model);
      assertEquals(new TreeSet<>(expected.keySet()), new TreeSet<>(state.keySet()));
      state.forEach(
          (key, value) -> Goldens.assertClose(floats(expected.get(key)), floats(value), 1e-6, key));
    }
  }

  private static Tensor floats(Tensor tensor) {
    return tensor.to(DType.FLOAT32);
  }

  @ParameterizedTest
  @MethodSource(CASES)
  void anAdapterWithoutValuesTakesThemFromAFile(String name) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model =
            PeftModel.fromPretrained(
                tuner.base(), tuner.adapter(), options -> options.lowCpuMemUsage(true))) {
      Goldens.assertClose(
          tuner.expected("adapter.logits"),
          tuner.logits(model),
          tuner.tolerance("forward"),
          "logits");
    }
  }

  @ParameterizedTest
  @MethodSource("org.peftjava.peft.TunerCase#besideTheBase")
  void anAdapterWithoutValuesTakesThemFromAStateDict(String name) {
    try (TunerCase tuner = new TunerCase(name);
        TensorScope scope = TensorScope.open("state")) {
      TunerConfig config = PeftConfig.fromPretrained(tuner.adapter()).with("inference_mode", false);
      try (PeftModelForCausalLM model =
          Peft.getPeftModel(tuner.base(), config, options -> options.lowCpuMemUsage(true))) {
        model.eval();
        assertThrows(IllegalStateException.class, () -> tuner.logits(model));
        assertTrue(model.getModelStatus().devices().values().iterator().next().contains("meta"));
        LoadReport report =
            Peft.setPeftModelStateDict(
                model, Goldens.tensors(name + "/adapter/adapter_model.safetensors"));
        assertTrue(report.isClean(), report::toString);
        Goldens.assertClose(
            tuner.expected("adapter.logits"),
            tuner.logits(model),
            tuner.tolerance("forward"),
            "logits");
        assertTrue(model.trainableParameters().trainable() > 0);
      }
    }
  }

  @Test
  void keysAreThoseThatPythonGives() {
    try (CausalLM base = untied();
        PeftModelForCausalLM model = Peft.getPeftModel(base, withHead());
        TensorScope scope = TensorScope.open("state")) {
      model.addAdapter("b", lora(2, "fc1", "embed_tokens"));
      assertEquals(keys("default"), new TreeSet<>(Peft.getPeftModelStateDict(model).keySet()));
      assertEquals(
          keys("b"),
          new TreeSet<>(Peft.getPeftModelStateDict(model, o -> o.adapterName("b")).keySet()));
      assertEquals(
          keys("b_without_embeddings"),
          new TreeSet<>(
              Peft.getPeftModelStateDict(model, o -> o.adapterName("b").saveEmbeddingLayers(false))
                  .keySet()));
      Set<String> twice = keys("default_with_embeddings"); // Python also gives the head's wrapper
      twice.removeIf(key -> key.contains("modules_to_save") || key.contains("original_module"));
      assertEquals(
          twice,
          new TreeSet<>(
              Peft.getPeftModelStateDict(model, o -> o.saveEmbeddingLayers(true)).keySet()));
      assertThrows(
          IllegalArgumentException.class,
          () -> Peft.getPeftModelStateDict(model, o -> o.adapterName("c")));
    }
  }

  private static Set<String> keys(String state) {
    return new TreeSet<>(Goldens.texts(GOLDEN.path("state").path(state)));
  }

  @Test
  void whatDoesNotFitIsReported() {
    JsonNode row = GOLDEN.path("set");
    String removed = row.path("removed").textValue();
    String resized = row.path("resized").textValue();
    try (CausalLM base = untied();
        PeftModelForCausalLM model = Peft.getPeftModel(base, withHead());
        TensorScope scope = TensorScope.open("state")) {
      Map<String, Tensor> values = new LinkedHashMap<>();
      Peft.getPeftModelStateDict(model).forEach((key, value) -> values.put(key, value.add(1)));
      values.remove(removed);
      values.put(resized, Creation.zeros(DType.FLOAT32, 5, 5));
      values.put("base_model.model.other.weight", Creation.zeros(DType.FLOAT32, 1));
      Map<String, float[]> before = floats(model);
      RuntimeException error =
          assertThrows(
              IllegalArgumentException.class, () -> Peft.setPeftModelStateDict(model, values));
      assertTrue(error.getMessage().contains(resized + " is [5, 5]"), error.getMessage());
      assertEquals(texts(before), texts(floats(model)));

      LoadReport report =
          Peft.setPeftModelStateDict(model, values, o -> o.ignoreMismatchedSizes(true));
      assertEquals(Goldens.texts(row.path("unexpected")), report.unexpected());
      Set<String> absent = new TreeSet<>(report.missing());
      absent.addAll(report.mismatched().keySet());
      assertEquals(
          Goldens.texts(row.path("missing")).stream()
              .map(key -> key.replace(".default.", "."))
              .collect(Collectors.toCollection(TreeSet::new)),
          absent);
      Map<String, float[]> after = floats(model);
      before.forEach(
          (key, old) -> {
            boolean kept = key.equals(removed) || key.equals(resized);
            assertEquals(old[0] + (kept ? 0 : 1), after.get(key)[0], 1e-6, key);
          });
    }
  }

  private static Map<String, float[]> floats(Module model) {
    Map<String, float[]> result = new LinkedHashMap<>();
    try (TensorScope scope = TensorScope.open("floats")) {
      Peft.getPeftModelStateDict(model).forEach((key, value) -> result.put(key, value.toFloats()));
    }
    return result;
  }

  private static Map<String, List<Float>> texts(Map<String, float[]> values) {
    Map<String, List<Float>> result = new TreeMap<>();
    values.forEach((key, value) -> result.put(key, List.of(value[0], value[value.length - 1])));
    return result;
  }

  @Test
  void aFileOfOtherSizesLoadsWhereItFits() {
    try (TinyOpt opt = new TinyOpt()) {
      TunerConfig wider = PeftConfig.fromPretrained(Goldens.path("opt_lora/adapter")).with("r", 6);
      assertThrows(
          RuntimeException.class,
          () ->
              PeftModel.fromPretrained(
                  opt.base(), Goldens.path("opt_lora/adapter"), o -> o.config(wider)));
      try (PeftModelForCausalLM model =
          PeftModel.fromPretrained(
              opt.base(),
              Goldens.path("opt_lora/adapter"),
              o -> o.config(wider).ignoreMismatchedSizes(true))) {
        assertEquals(0, TinyOpt.gap(opt.baseLogits(), opt.logits(model)), 1e-5);
      }
    }
  }

  @Test
  void mixedPrecisionHasPythonsTypes() {
    try (CausalLM base = untied();
        PeftModelForCausalLM model = Peft.getPeftModel(base, withHead())) {
      model.addAdapter("b", lora(2, "fc1", "embed_tokens"));
      Peft.castMixedPrecisionParams(model, DType.BFLOAT16);
      assertTypes("mixed_precision", model);
    }
  }

  @Test
  void autocastHasPythonsTypes() {
    for (boolean autocast : new boolean[] {true, false}) {
      try (CausalLM base =
              AutoModelForCausalLM.fromPretrained(
                  TinyOpt.FOLDER, options -> options.dtype(DType.BFLOAT16));
          PeftModelForCausalLM model =
              Peft.getPeftModel(
                  base,
                  LoraConfig.builder().r(3).targetModules("q_proj").modulesToSave("fc2").build(),
                  options -> options.autocastAdapterDtype(autocast))) {
        assertTypes("autocast_" + autocast, model);
        Functional.castAdapterDtype(model, "default");
        assertTypes("autocast_true", model);
      }
    }
  }

  private static void assertTypes(String golden, PeftModel model) {
    Map<String, String> trained = new TreeMap<>();
    Set<String> others = new TreeSet<>();
    model
        .namedParameters()
        .forEach(
            (name, parameter) -> {
              String type = parameter.dtype().name().toLowerCase(Locale.ROOT);
              if (parameter.requiresGrad()) {
                trained.put(name, type);
              } else {
                others.add(type);
              }
            });
    JsonNode expected = GOLDEN.path("dtypes").path(golden);
    assertEquals(new TreeMap<>(Goldens.map(expected.path("trained"))), trained);
    assertEquals(new TreeSet<>(Goldens.texts(expected.path("others"))), others);
  }

  @Test
  void aModuleWithoutAdaptersHasNoState() {
    try (CausalLM base = untied()) {
      RuntimeException error =
          assertThrows(IllegalArgumentException.class, () -> Peft.getPeftModelStateDict(base));
      assertTrue(error.getMessage().contains("has no adapters"), error.getMessage());
      assertFalse(error.getMessage().isEmpty());
      assertNotEquals(0, base.namedParameters().size());
    }
  }
}
