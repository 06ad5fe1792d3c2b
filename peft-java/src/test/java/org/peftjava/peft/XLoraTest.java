package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.xlora.Scalings;
import org.peftjava.peft.tuner.xlora.XLoraConfig;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.transformers.CausalLM;

/** X-LoRA against the real PEFT: golden/xlora*. */
@ExtendWith(LedgerCheck.class)
class XLoraTest {
  private static final String FILE = "adapter_model.safetensors";

  @ParameterizedTest
  @ValueSource(strings = {"xlora", "xlora_layerwise", "xlora_trained"})
  void computesTrainsAndGenerates(String name) {
    try (XLoraCase each = new XLoraCase(name);
        PeftModelForCausalLM model = each.model()) {
      Map<String, Parameter> trained = XLoraCase.trained(model);
      assertEquals(each.below("param."), trained.keySet());
      assertEquals(
          each.facts().get("trainableParameters").asLong(),
          model.trainableParameters().trainable());
      each.assertLogits("adapter.logits", model);
      Scalings latest = model.xlora().getLatestScalings().orElseThrow();
      Tensor scalings = each.required("scalings");
      assertArrayEquals(scalings.shape().toArray(), latest.shape());
      assertArrayEquals(scalings.toFloats(), latest.values(), 1e-5f);
      try (PeftModel.AdapterSwitch off = model.disableAdapter()) {
        each.assertLogits("base.logits", model);
      }
      try (PeftModel.AdapterSwitch scaled = Peft.rescaleAdapterScale(model, 0.4)) {
        each.assertLogits("rescaled.logits", model);
      }
      each.assertLogits("adapter.logits", model);
      Tensor loss = each.loss(model);
      Goldens.assertClose(each.required("adapter.loss"), loss, each.tolerance("forward"), "loss");
      loss.backward();
      trained.forEach(
          (key, value) ->
              Goldens.assertClose(
                  each.required("grad." + key),
                  value.tensor().grad().orElseThrow(),
                  each.tolerance("gradient"),
                  key));
      model.zeroGrad();
      assertArrayEquals(
          TunerCase.rowsOf(each.required("gen.ids")),
          model.generate(each.prompts(), g -> g.maxNewTokens(6).eosTokenId()).ids());
      steps(each, model);
    }
  }

  private static void steps(XLoraCase each, PeftModelForCausalLM model) {
    JsonNode o = each.facts().get("optimizer");
    AdamW.Options options =
        new AdamW.Options(
            o.get("lr").asDouble(),
            o.get("betas").get(0).asDouble(),
            o.get("betas").get(1).asDouble(),
            o.get("eps").asDouble(),
            o.get("weight_decay").asDouble());
    try (AdamW optimizer = new AdamW(XLoraCase.trained(model), options)) {
      for (float expected : each.required("train.losses").toFloats()) {
        try (TensorScope step = TensorScope.openGraph("step")) {
          Tensor loss = each.loss(model);
          assertEquals(expected, loss.toDouble(), 1e-4);
          loss.backward();
        }
        optimizer.step();
        optimizer.zeroGrad();
      }
    }
    List<String> unstable = Goldens.texts(each.facts().get("unstableAfterSteps"));
    XLoraCase.trained(model)
        .forEach(
            (key, value) ->
                Goldens.assertClose(
                    each.required("train.after." + key),
                    value.tensor(),
                    unstable.contains(key) ? 0.05 : each.tolerance("afterSteps"),
                    key));
  }

  @ParameterizedTest
  @ValueSource(strings = {"xlora", "xlora_layerwise"})
  void settingsChangeAndAreSaved(String name, @TempDir Path folder) {
    try (XLoraCase each = new XLoraCase(name);
        PeftModelForCausalLM model = each.model()) {
      model.xlora().setTopkLora(1);
      model.xlora().setGlobalScalingWeight(0.5);
      model.xlora().setEqualScalingPassValue();
      each.assertLogits("changed.logits", model);
      assertEquals(0.5, model.xlora().getGlobalScalingWeight());
      model.savePretrained(folder);
      XLoraConfig saved = (XLoraConfig) PeftConfig.fromPretrained(folder);
      assertEquals(1, saved.topKLora().orElseThrow());
      assertEquals(0.5, saved.globalScalingWeight());
      assertEquals(1.0 / 3, saved.scalingPassValue());
      assertThrows(IllegalArgumentException.class, () -> model.xlora().setTopkLora(0));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"xlora", "xlora_layerwise", "xlora_trained"})
  void filesHoldTheClassifierAndEachAdapter(String name, @TempDir Path folder) throws IOException {
    try (XLoraCase each = new XLoraCase(name);
        CausalLM second = each.open()) {
      float[] expected;
      try (PeftModelForCausalLM model = each.model()) {
        expected = each.logits(model).toFloats();
        model.savePretrained(folder);
      }
      assertArrayEquals(
          Files.readAllBytes(Goldens.path(name + "/adapter").resolve(FILE)),
          Files.readAllBytes(folder.resolve(FILE)));
      for (String number : List.of("0", "1", "2")) {
        assertArrayEquals(
            Files.readAllBytes(Goldens.path(name + "/experts/" + number).resolve(FILE)),
            Files.readAllBytes(folder.resolve(number).resolve(FILE)));
      }
      try (PeftModelForCausalLM loaded = PeftModel.fromPretrained(second, folder.toString())) {
        assertArrayEquals(expected, each.logits(loaded).toFloats());
        assertEquals(0, loaded.trainableParameters().trainable());
      }
    }
  }

  @Test
  void aFreshClassifierStartsAsLinearLayersDo() {
    try (XLoraCase each = new XLoraCase("xlora")) {
      Randomness.manualSeed(1);
      try (PeftModelForCausalLM model = Peft.getPeftModel(each.base(), each.config())) {
        XLoraCase.trained(model)
            .forEach(
                (key, value) -> {
                  double largest = value.tensor().detach().abs().max().toDouble();
                  assertTrue(largest > 0.05 && largest <= 0.25, key); // 1 / sqrt(16)
                });
        // three projections and a feed-forward layer of two layers, and the embedding
        assertEquals(7, model.getLayerStatus().size());
      }
    }
  }

  @Test
  void theLogKeepsPassesByLength() {
    try (XLoraCase each = new XLoraCase("xlora");
        PeftModelForCausalLM model = each.model()) {
      model.xlora().enableScalingsLogging();
      each.logits(model);
      model.generate(each.prompts(), g -> g.maxNewTokens(2).eosTokenId());
      model.xlora().disableScalingsLogging();
      each.logits(model);
      List<Scalings> log = model.xlora().getScalingsLog();
      assertEquals(3, log.size());
      assertEquals(Set.of(7, 8), model.xlora().getBucketedScalingsLog().keySet());
      assertEquals(Set.of(0, 1), model.xlora().getBucketedScalingsLog().get(7).keySet());
      Scalings first = log.get(0);
      assertEquals(1, first.get(1, 2, 3, 0) + first.get(1, 2, 3, 1) + first.get(1, 2, 3, 2), 1e-6);
      model.xlora().clearScalingsLog();
      assertTrue(model.xlora().getScalingsLog().isEmpty());
    }
  }

  @Test
  void whatCannotBeIsRefused() {
    try (XLoraCase each = new XLoraCase("xlora")) {
      refused("hiddenSize must be set", each, config -> config.put("hidden_size", null));
      refused("adapters must name at least one", each, config -> config.put("adapters", Map.of()));
      refused(
          "mixes LoRA adapters, but \"a\"",
          each,
          config ->
              config.put("adapters", Map.of("a", Goldens.path("tuner_loha/adapter").toString())));
      refused("softmaxTemperature must be above 0", each, c -> c.put("softmax_temperature", 0));
      try (PeftModelForCausalLM model =
          Peft.getPeftModel(each.base(), each.config().with("hidden_size", 12))) {
        assertTrue(
            assertThrows(IllegalArgumentException.class, () -> each.logits(model))
                .getMessage()
                .contains("hiddenSize must be the model's, 16"));
        assertThrows(UnsupportedOperationException.class, model::mergeAdapter);
        assertThrows(
            UnsupportedOperationException.class,
            () -> model.withAdapterNames(List.of("default", "__base__"), () -> 1));
        model.deleteAdapter("default");
        assertThrows(IllegalStateException.class, model::xlora);
      }
    }
  }

  private static void refused(
      String message, XLoraCase each, Consumer<Map<String, Object>> change) {
    Map<String, Object> values = new LinkedHashMap<>(each.config().fields().values());
    change.accept(values);
    IllegalArgumentException error =
        assertThrows(
            IllegalArgumentException.class,
            () -> {
              TunerConfig config = XLoraConfig.of(values);
              Peft.getPeftModel(each.base(), config).close();
            });
    assertTrue(error.getMessage().contains(message), error.getMessage());
  }

  @Test
  void layersAreNotRunAgain() {
    try (XLoraCase each = new XLoraCase("xlora");
        PeftModelForCausalLM model = each.model()) {
      model.gradientCheckpointing(true);
      model.train(true);
      RuntimeException error =
          assertThrows(RuntimeException.class, () -> each.loss(model).backward());
      assertTrue(error.getMessage().contains("gradient checkpointing"), error.getMessage());
    }
  }
}
