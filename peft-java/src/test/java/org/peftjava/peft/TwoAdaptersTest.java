package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.ModelInput;

/** Two adapters on one model: golden/two_adapters. */
@ExtendWith(LedgerCheck.class)
class TwoAdaptersTest {
  private static final String CASE = "two_adapters/";

  private TensorScope scope;
  private Map<String, Tensor> golden;
  private CausalLM base;
  private PeftModelForCausalLM model;

  @BeforeEach
  void open() {
    scope = TensorScope.openGraph("test");
    golden = Goldens.tensors(CASE + "io.safetensors");
    base = AutoModelForCausalLM.fromPretrained(Goldens.path(CASE + "base"));
    model =
        PeftModel.fromPretrained(
            base, Goldens.path(CASE + "adapter"), options -> options.isTrainable(true));
    model.loadAdapter(
        Goldens.path(CASE + "adapter/b"), options -> options.adapterName("b").isTrainable(true));
    model.eval();
  }

  @AfterEach
  void close() {
    model.close();
    base.close();
    scope.close();
  }

  private void assertLogits(String name, CausalLanguageModel language) {
    try (GradMode off = GradMode.noGrad()) {
      ModelInput input =
          ModelInput.builder()
              .inputIds(golden.get("in.input_ids"))
              .attentionMask(golden.get("in.attention_mask"))
              .build();
      Tensor mask = golden.get("in.attention_mask").eq(0).unsqueeze(-1);
      Goldens.assertClose(
          golden.get(name).maskedFill(mask, 0),
          language.forward(input).logits().orElseThrow().maskedFill(mask, 0),
          2e-5,
          name);
    }
  }

  private void assertStatus(String name) {
    JsonNode expected = Goldens.json(Goldens.path(CASE + "status.json")).get(name);
    Map<String, LayerStatus> layers = new HashMap<>();
    model.getLayerStatus().forEach(status -> layers.put(status.name(), status));
    expected
        .get("layers")
        .forEach(
            layer -> {
              LayerStatus actual = layers.remove(layer.get("name").textValue());
              String what = name + " " + layer.get("name");
              assertEquals(layer.get("module_type").textValue(), actual.moduleType(), what);
              assertEquals(layer.get("enabled").booleanValue(), actual.enabled(), what);
              assertEquals(
                  Goldens.texts(layer.get("active_adapters")), actual.activeAdapters(), what);
              assertEquals(
                  Goldens.texts(layer.get("merged_adapters")), actual.mergedAdapters(), what);
              StatusTest.assertTrained(layer, actual.requiresGrad(), what);
              assertEquals(
                  Goldens.texts(layer.get("available_adapters")), actual.availableAdapters(), what);
              assertEquals(StatusTest.devices(layer), actual.devices(), what);
            });
    assertEquals(Map.of(), layers);
    JsonNode whole = expected.get("model");
    ModelStatus status = model.getModelStatus();
    assertEquals(whole.get("base_model_type").textValue(), status.baseModelType());
    assertEquals(whole.get("adapter_model_type").textValue(), status.adapterModelType());
    assertEquals(Goldens.plain(whole.get("peft_types")), status.peftTypes());
    assertEquals(whole.get("trainable_params").asLong(), status.trainableParams());
    assertEquals(whole.get("total_params").asLong(), status.totalParams());
    assertEquals(whole.get("num_adapter_layers").asInt(), status.numAdapterLayers());
    assertEquals(whole.get("enabled").booleanValue(), status.enabled());
    assertEquals(Goldens.texts(whole.get("active_adapters")), status.activeAdapters());
    StatusTest.assertTrained(whole, status.requiresGrad(), name);
    assertEquals(Goldens.texts(whole.get("available_adapters")), status.availableAdapters());
    assertEquals(StatusTest.devices(whole), status.devices());
  }

  @Test
  void activationIsPythons() {
    assertStatus("two_adapters");
    assertLogits("active.default.logits", model);
    model.setAdapter("b");
    assertStatus("b_active");
    assertLogits("active.b.logits", model);
    model.setAdapter("default", "b");
    assertStatus("both_active");
    assertLogits("active.both.logits", model);
    try (PeftModel.AdapterSwitch off = model.disableAdapter()) {
      assertLogits("disabled.logits", model);
    }
    assertLogits("active.both.logits", model);
    model.setAdapter("default");
    try (PeftModel.AdapterSwitch off = model.disableAdapter()) {
      assertStatus("disabled");
    }
  }

  @Test
  void gradientsReachOnlyTheActiveAdapter() {
    for (String name : List.of("default", "b")) {
      model.setAdapter(name);
      ModelInput input =
          ModelInput.builder()
              .inputIds(golden.get("in.input_ids"))
              .attentionMask(golden.get("in.attention_mask"))
              .labels(golden.get("in.labels"))
              .build();
      Tensor loss = model.forward(input).loss().orElseThrow();
      Goldens.assertClose(golden.get("loss." + name), loss, 1e-5, "loss of " + name);
      loss.backward();
      model
          .namedParameters()
          .forEach(
              (key, parameter) -> {
                Tensor expected = golden.get("grad." + name + "." + key);
                assertEquals(expected != null, parameter.tensor().grad().isPresent(), key);
                if (expected != null) {
                  Goldens.assertClose(expected, parameter.tensor().grad().orElseThrow(), 1e-4, key);
                }
              });
      model.zeroGrad();
    }
  }

  @Test
  void mergingASubsetIsPythons() {
    model.mergeAdapter(options -> options.adapterNames("b"));
    assertLogits("merged_b.logits", model);
    model.unmergeAdapter();
    assertLogits("unmerged.logits", model);
    model.mergeAdapter();
    model.setAdapter("b"); // unmerges first
    assertLogits("active.b.logits", model);
    model.setAdapter("default");
    CausalLM plain = model.mergeAndUnload(options -> options.adapterNames("default", "b"));
    assertLogits("merged_unloaded.both.logits", plain);
    Map<String, ?> names = plain.namedState();
    assertFalse(names.keySet().stream().anyMatch(name -> name.contains("lora")));
    plain
        .namedState()
        .forEach(
            (name, parameter) -> {
              Tensor expected = golden.get("merged.both.weight." + name);
              if (expected != null) {
                Goldens.assertClose(expected, parameter.tensor(), 1e-5, name);
              }
            });
  }

  @Test
  void addingAnAdapterUnmerges() {
    model.mergeAdapter(options -> options.adapterNames("b"));
    LoraConfig config = LoraConfig.builder().r(2).loraAlpha(3).targetModules("fc1").build();
    model.addAdapter("c", config);
    assertStatus("c_added");
    assertLogits("c_added.logits", model);
    model.mergeAdapter();
    assertThrows(IllegalArgumentException.class, () -> model.addAdapter("c", config));
    assertEquals(List.of("default"), model.getModelStatus().mergedAdapters());
  }

  @Test
  void deletingIsPythons() {
    model.mergeAdapter(options -> options.adapterNames("default"));
    assertThrows(IllegalStateException.class, () -> model.deleteAdapter("default"));
    model.unmergeAdapter();
    model.setAdapter("b");
    model.deleteAdapter("default");
    assertStatus("default_deleted");
    assertLogits("deleted_default.logits", model);
    assertThrows(IllegalArgumentException.class, () -> model.setAdapter("default"));
  }

  @Test
  void deletingTheActiveAdapterActivatesTheNext() {
    model.deleteAdapter("default");
    assertEquals(List.of("b"), model.activeAdapters());
    assertLogits("active.b.logits", model);
  }

  @Test
  void foldersHaveOneSubfolderPerFurtherAdapter(@TempDir Path folder) throws IOException {
    model.savePretrained(folder);
    for (String file : List.of("adapter_model.safetensors", "b/adapter_model.safetensors")) {
      assertArrayEquals(
          Files.readAllBytes(Goldens.path(CASE + "adapter/" + file)),
          Files.readAllBytes(folder.resolve(file)),
          file);
    }
    model.savePretrained(folder.resolve("only"), options -> options.selectedAdapters("b"));
    assertEquals(
        List.of("README.md", "b"),
        java.util.Arrays.stream(folder.resolve("only").toFile().list()).sorted().toList());
    assertThrows(
        IllegalArgumentException.class,
        () -> model.savePretrained(folder, options -> options.selectedAdapters("c")));
    try (GradMode off = GradMode.noGrad()) {
      model
          .namedParameters()
          .forEach(
              (name, parameter) -> {
                if (name.contains(".lora_")) {
                  parameter.tensor().fillInPlace(0);
                }
              });
    }
    model.loadWeights(folder);
    assertLogits("active.default.logits", model);
    model.setAdapter("b");
    assertLogits("active.b.logits", model);
  }

  @Test
  void valuesOfAnAdapterAreReadAgain() {
    Map<String, Tensor> other =
        Peft.getPeftModelStateDict(model, o -> o.adapterName("b")); // views of its memory
    other.values().forEach(value -> value.fillInPlace(0));
    model.setAdapter("b");
    model.eval();
    assertLogits("disabled.logits", model);
    model.loadAdapter(Goldens.path(CASE + "adapter/b"), options -> options.adapterName("b"));
    assertLogits("active.b.logits", model);
    assertEquals(
        "There already is an adapter \"b\", and the saved one has another config (r, lora_alpha)."
            + " Delete it first, or use another name.",
        assertThrows(
                IllegalArgumentException.class,
                () -> model.loadAdapter(Goldens.path(CASE + "adapter"), o -> o.adapterName("b")))
            .getMessage());
    assertLogits("active.b.logits", model);
  }
}
