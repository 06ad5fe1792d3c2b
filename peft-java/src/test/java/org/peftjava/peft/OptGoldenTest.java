package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.checkpoint.Safetensors;

/** LoRA on OPT against real PEFT, one folder of golden data for each feature. */
@ExtendWith(LedgerCheck.class)
class OptGoldenTest {
  private static Tensor logits(CausalLanguageModel model, Map<String, Tensor> golden) {
    ModelInput input =
        ModelInput.builder()
            .inputIds(golden.get("in.input_ids"))
            .attentionMask(golden.get("in.attention_mask"))
            .build();
    return model.forward(input).logits().orElseThrow();
  }

  /** Compares where the attention mask is 1. */
  private static void assertLogits(
      String name, Tensor actual, Map<String, Tensor> golden, double tolerance) {
    Tensor mask = golden.get("in.attention_mask").eq(0).unsqueeze(-1);
    Goldens.assertClose(
        golden.get(name).maskedFill(mask, 0), actual.maskedFill(mask, 0), tolerance, name);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "opt_lora",
        "opt350_lora",
        "opt_rslora_patterns",
        "opt_embedding",
        "opt_bias_all",
        "opt_bias_lora_only",
        "opt_lora_bias",
        "opt_modules_to_save",
        "opt_bfloat16"
      })
  void everythingIsPythons(String name, @TempDir Path folder) throws IOException {
    JsonNode facts = Goldens.json(Goldens.path(name + "/case.json"));
    double forward = facts.at("/tolerances/forward").asDouble();
    double gradient = facts.at("/tolerances/gradient").asDouble();
    try (TensorScope scope = TensorScope.openGraph("golden");
        CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path(name + "/base"))) {
      Map<String, Tensor> golden = Goldens.tensors(name + "/io.safetensors");
      try (GradMode off = GradMode.noGrad()) {
        assertLogits("base.logits", logits(base, golden), golden, forward);
      }
      PeftModelForCausalLM model =
          PeftModel.fromPretrained(
              base, Goldens.path(name + "/adapter"), options -> options.isTrainable(true));
      assertParameters(model, facts, golden);
      assertGradients(model, golden, forward, gradient);
      model.savePretrained(folder);
      assertSameFiles(Goldens.path(name + "/adapter"), folder);
      try (GradMode off = GradMode.noGrad()) {
        assertLogits("adapter.logits", logits(model, golden), golden, forward);
        Tensor disabled = model.withoutAdapter(() -> logits(model, golden));
        assertLogits("disabled.logits", disabled, golden, forward);
        model.mergeAdapter();
        // With a tied table Python's merged model differs from the adapted one; ours does not.
        assertLogits("merged.logits", logits(model, golden), golden, 2 * forward);
        model.unmergeAdapter();
        assertLogits("adapter.logits", logits(model, golden), golden, 2 * forward);
        CausalLM plain = model.mergeAndUnload(options -> options.safeMerge(true));
        assertLogits("merged.logits", logits(plain, golden), golden, 2 * forward);
        plain
            .namedState()
            .forEach(
                (key, parameter) ->
                    Goldens.assertClose(
                        golden.get("merged.weight." + key), parameter.tensor(), 2 * forward, key));
      }
    }
  }

  /** PEFT writes them where another adapter of the saved model has these layers. */
  @Test
  void biasesOfOtherLayersArePassedOver(@TempDir Path folder) throws IOException {
    String name = "opt_bias_lora_only";
    try (TensorScope scope = TensorScope.open("biases");
        GradMode off = GradMode.noGrad();
        CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path(name + "/base"))) {
      Map<String, Tensor> golden = Goldens.tensors(name + "/io.safetensors");
      Map<String, Tensor> values =
          new LinkedHashMap<>(Goldens.tensors(name + "/adapter/adapter_model.safetensors"));
      String layer = "base_model.model.model.decoder.layers.0.fc1.";
      long width = golden.get("merged.weight.model.decoder.layers.0.fc1.bias").numel();
      values.put(layer + "base_layer.bias", Creation.full(DType.FLOAT32, 9, width));
      Safetensors.write(folder.resolve("adapter_model.safetensors"), values, Map.of());
      Files.copy(
          Goldens.path(name + "/adapter/adapter_config.json"),
          folder.resolve("adapter_config.json"));
      try (PeftModelForCausalLM model = PeftModel.fromPretrained(base, folder, options -> {})) {
        assertLogits("adapter.logits", logits(model, golden), golden, 2e-5);
      }
    }
  }

  private static void assertParameters(
      PeftModelForCausalLM model, JsonNode facts, Map<String, Tensor> golden) {
    TrainableParameters count = model.trainableParameters();
    assertEquals(facts.get("trainableParameters").asLong(), count.trainable());
    assertEquals(facts.get("allParameters").asLong(), count.all());
    TreeSet<String> expected = new TreeSet<>();
    golden.keySet().stream()
        .filter(key -> key.startsWith("param."))
        .forEach(key -> expected.add(key.substring("param.".length())));
    TreeSet<String> trained = new TreeSet<>();
    model
        .namedParameters()
        .forEach(
            (key, parameter) -> {
              if (parameter.requiresGrad()) {
                trained.add(key);
                assertEquals(golden.get("param." + key).dtype(), parameter.dtype(), key);
                Goldens.assertClose(golden.get("param." + key), parameter.tensor(), 0, key);
              }
            });
    assertEquals(expected, trained);
  }

  private static void assertGradients(
      PeftModelForCausalLM model, Map<String, Tensor> golden, double forward, double gradient) {
    ModelInput input =
        ModelInput.builder()
            .inputIds(golden.get("in.input_ids"))
            .attentionMask(golden.get("in.attention_mask"))
            .labels(golden.get("in.labels"))
            .build();
    Tensor loss = model.forward(input).loss().orElseThrow();
    Goldens.assertClose(golden.get("adapter.loss"), loss, forward, "loss");
    loss.backward();
    model
        .namedParameters()
        .forEach(
            (key, parameter) -> {
              Tensor expected = golden.get("grad." + key);
              assertEquals(expected != null, parameter.requiresGrad(), key);
              if (expected != null) {
                Goldens.assertClose(
                    expected, parameter.tensor().grad().orElseThrow(), gradient, key);
              }
            });
    model.zeroGrad();
  }

  private static void assertSameFiles(Path expected, Path actual) throws IOException {
    assertArrayEquals(
        Files.readAllBytes(expected.resolve("adapter_model.safetensors")),
        Files.readAllBytes(actual.resolve("adapter_model.safetensors")));
    Map<String, Object> config = Goldens.map(Goldens.json(expected.resolve("adapter_config.json")));
    config.computeIfPresent(
        "target_modules",
        (key, value) ->
            value instanceof List<?> list
                ? list.stream().map(String::valueOf).sorted().toList()
                : value);
    Map<String, Object> written = Goldens.map(Goldens.json(actual.resolve("adapter_config.json")));
    written.put("base_model_name_or_path", config.get("base_model_name_or_path"));
    assertEquals(config, written);
    assertTrue(Files.readString(actual.resolve("README.md")).startsWith("---\nbase_model: "));
  }

  @ParameterizedTest
  @ValueSource(strings = {"opt_bfloat16"})
  void aBfloat16LayerIsPythonsBitForBit(String name) {
    try (TensorScope scope = TensorScope.openGraph("golden");
        GradMode off = GradMode.noGrad();
        CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path(name + "/base"));
        PeftModel model =
            PeftModel.fromPretrained(base, Goldens.path(name + "/adapter").toString())) {
      Map<String, Tensor> golden = Goldens.tensors(name + "/io.safetensors");
      var layer =
          (org.peftjava.torch.nn.LinearLayer)
              org.peftjava.torch.nn.ModulePath.get(base, "model.decoder.layers.0.self_attn.q_proj");
      Tensor output = layer.forward(golden.get("layer.input"));
      Goldens.assertClose(golden.get("layer.output"), output, 0.008, "one rounding apart");
      Tensor plain = model.withoutAdapter(() -> layer.forward(golden.get("layer.input")));
      Goldens.assertClose(golden.get("layer.base_output"), plain, 0.008, "base");
      assertEquals(golden.get("layer.output").dtype(), output.dtype());
    }
  }
}
