package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.torch.Device;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;

/** Status reports where adapters have copies of modules, and where parameters disagree. */
@ExtendWith(LedgerCheck.class)
class StatusTest {
  private static final JsonNode ROWS = Goldens.json(Goldens.path("status.json")).get("rows");

  private CausalLM base;
  private PeftModelForCausalLM model;

  @BeforeEach
  void open() {
    base = AutoModelForCausalLM.fromPretrained(Goldens.path("cpt_opt/base"));
    model =
        Peft.getPeftModel(
            base,
            LoraConfig.builder()
                .r(3)
                .loraAlpha(7)
                .targetModules("q_proj")
                .modulesToSave("lm_head")
                .build());
  }

  @AfterEach
  void close() {
    model.close();
    base.close();
  }

  /** Python's true, false or "irregular" for each adapter. */
  static void assertTrained(JsonNode expected, Map<String, RequiresGrad> actual, String what) {
    Map<String, String> values = new TreeMap<>();
    expected
        .get("requires_grad")
        .fields()
        .forEachRemaining(e -> values.put(e.getKey(), e.getValue().asText()));
    Map<String, String> found = new TreeMap<>();
    actual.forEach((name, value) -> found.put(name, value.toString()));
    assertEquals(values, found, what);
  }

  /** Where adapters are: Python's were on the CPU. */
  static Map<String, Object> devices(JsonNode status) {
    Map<String, Object> result = Goldens.map(status.get("devices"));
    result.replaceAll((adapter, devices) -> List.of(Device.defaultDevice().type()));
    return result;
  }

  /** What differs on purpose: one set of active adapters, and nobody who waits is trained. */
  private void assertStatus(String row) {
    Map<String, LayerStatus> layers = new LinkedHashMap<>();
    model.getLayerStatus().forEach(layer -> layers.put(layer.name(), layer));
    for (JsonNode layer : ROWS.get(row).get("layers")) {
      String name = layer.get("name").textValue();
      LayerStatus actual = layers.remove(name);
      assertEquals(layer.get("module_type").textValue(), actual.moduleType(), name);
      assertEquals(Goldens.texts(layer.get("active_adapters")), actual.activeAdapters(), name);
      assertEquals(Goldens.texts(layer.get("merged_adapters")), actual.mergedAdapters(), name);
      assertEquals(Goldens.texts(layer.get("available_adapters")), actual.availableAdapters());
      assertEquals(devices(layer), actual.devices(), name);
      assertTrained(layer, actual.requiresGrad(), row + " " + name);
      assertEquals(Optional.empty(), actual.quantizationBackend());
    }
    assertEquals(Map.of(), layers);
    JsonNode whole = ROWS.get(row).get("model");
    ModelStatus status = model.getModelStatus();
    assertEquals(whole.get("num_adapter_layers").asInt(), status.numAdapterLayers(), row);
    assertEquals(whole.get("trainable_params").asLong(), status.trainableParams(), row);
    assertEquals(whole.get("total_params").asLong(), status.totalParams(), row);
    assertTrained(whole, status.requiresGrad(), row);
    if (whole.get("active_adapters").isArray()) {
      assertEquals(Goldens.texts(whole.get("active_adapters")), status.activeAdapters(), row);
    } else {
      assertEquals(List.of("b"), status.activeAdapters(), row);
    }
  }

  private void trainQuery(String matrix, boolean on) {
    model
        .namedParameters()
        .get(
            "base_model.model.model.decoder.layers.0.self_attn.q_proj."
                + matrix
                + ".default.weight")
        .requiresGrad(on);
  }

  @Test
  void everyStateIsPythons() {
    assertStatus("first");
    model.addAdapter("b", LoraConfig.builder().r(2).loraAlpha(5).targetModules("v_proj").build());
    assertStatus("second");
    model.setAdapter("b");
    assertStatus("b_active");
    model.setAdapter("default");
    trainQuery("lora_A", false);
    assertStatus("irregular_layer");
    trainQuery("lora_B", false);
    assertStatus("irregular_model");
    model.setRequiresGrad(List.of("default"), false);
    assertStatus("frozen");
    model.setAdapter(List.of("b"), true);
    assertStatus("inference");
  }

  @Test
  void quantizedLayersAreNamed() {
    try (CausalLM quantized =
            AutoModelForCausalLM.fromPretrained(
                TinyOpt.FOLDER,
                options ->
                    options.quantizationConfig(
                        BitsAndBytesConfig.builder().loadIn4bit(true).build()));
        PeftModelForCausalLM adapted =
            Peft.getPeftModel(
                quantized, LoraConfig.builder().targetModules("q_proj", "embed_tokens").build())) {
      Map<String, Optional<String>> found = new TreeMap<>();
      adapted.getLayerStatus().forEach(s -> found.put(s.name(), s.quantizationBackend()));
      assertEquals(
          Map.of(
              "model.model.decoder.embed_tokens",
              Optional.empty(),
              "model.model.decoder.layers.0.self_attn.q_proj",
              Optional.of("bnb 4bit"),
              "model.model.decoder.layers.1.self_attn.q_proj",
              Optional.of("bnb 4bit")),
          found);
      assertEquals(Optional.of("irregular"), adapted.getModelStatus().quantizationBackend());
    }
  }
}
