package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.common.primitives.Longs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModel;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.InvalidFileException;

/** Shadow models alone: golden/shadow_alone. */
@ExtendWith(LedgerCheck.class)
class DetachedShadowTest {
  private static Map<String, Tensor> golden() {
    return Goldens.tensors("shadow_alone/io.safetensors");
  }

  @ParameterizedTest
  @CsvSource({
    "tuner_shadow,false",
    "tuner_shadow,true",
    "tuner_shadow_llama,false",
    "tuner_shadow_llama,true"
  })
  void computesAndGeneratesWithoutTheBase(String name, boolean copy) {
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load()) {
      float[] before = tuner.logits(model).toFloats();
      try (DetachedShadowModel alone = model.unloadShadow(o -> o.copy(copy))) {
        Map<String, Tensor> golden = golden();
        ModelOutput output =
            alone.forward(tuner.input(true).toBuilder().outputLogits(true).build());
        Tensor padding = tuner.golden("in.attention_mask").eq(0).unsqueeze(-1);
        Goldens.assertClose(
            golden.get(name + ".logits").maskedFill(padding, 0),
            output.logits().orElseThrow().maskedFill(padding, 0),
            1e-5,
            "logits");
        Goldens.assertClose(golden.get(name + ".loss"), output.loss().orElseThrow(), 1e-5, "loss");
        assertArrayEquals(
            TunerCase.rowsOf(golden.get(name + ".gen.ids")),
            alone.generate(tuner.prompts(), g -> g.maxNewTokens(6).eosTokenId()).ids());
        assertTrue(alone.canGenerate());
        assertEquals(
            copy,
            alone.module().namedParameters().values().stream()
                .noneMatch(weight -> model.namedParameters().containsValue(weight)));
      }
      assertArrayEquals(before, tuner.logits(model).toFloats());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"sequence", "regression"})
  void judgesTextsWithItsOwnHead(String head) {
    try (TensorScope scope = TensorScope.openGraph(head);
        var base =
            AutoModelForSequenceClassification.fromPretrained(Goldens.path("heads_llama/" + head));
        PeftModelForTask model =
            PeftModel.fromPretrained(base, Goldens.path("shadow_texts/" + head), o -> {});
        DetachedShadowModel alone = model.unloadShadow();
        DetachedShadowModel copy = model.unloadShadow(o -> o.copy(true))) {
      Map<String, Tensor> texts = Goldens.tensors("shadow_texts/io.safetensors");
      ModelInput input =
          ModelInput.builder()
              .inputIds(texts.get("in.input_ids"))
              .attentionMask(texts.get("in.attention_mask"))
              .labels(texts.get(head + ".labels"))
              .build();
      for (DetachedShadowModel each : List.of(alone, copy)) {
        ModelOutput output = each.forward(input);
        Goldens.assertClose(
            golden().get(head + ".logits"), output.logits().orElseThrow(), 1e-5, "logits");
        Goldens.assertClose(
            golden().get(head + ".loss"), output.loss().orElseThrow(), 1e-5, "loss");
        assertEquals(head.equals("sequence") ? 3 : 1, each.labelCount());
      }
      assertFalse(alone.canGenerate());
      assertThrows(UnsupportedOperationException.class, alone::decoderModel);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"tuner_shadow", "tuner_shadow_llama"})
  void aCopySavesWhatPythonSaves(String name, @TempDir Path folder) throws IOException {
    JsonNode facts = Goldens.json(Goldens.path("shadow_alone/" + name + ".json"));
    try (TunerCase tuner = new TunerCase(name);
        PeftModelForCausalLM model = tuner.load();
        DetachedShadowModel alone = model.unloadShadow(o -> o.copy(true));
        GradMode off = GradMode.noGrad()) {
      alone.savePretrained(folder);
      try (Stream<Path> files = Files.list(folder)) {
        assertEquals(
            Goldens.texts(facts.get("files")),
            files.map(file -> file.getFileName().toString()).sorted().toList());
      }
      Map<String, Object> config = Goldens.map(Goldens.json(folder.resolve("config.json")));
      Goldens.map(facts.get("config"))
          .forEach((key, value) -> assertEquals(value, config.get(key), key));
      assertEquals(shapes(facts), shapes(folder.resolve("model.safetensors")));
      Tensor before = alone.forward(tuner.input(false)).logits().orElseThrow();
      alone
          .module()
          .namedParameters()
          .values()
          .forEach(weight -> weight.tensor().detach().fillInPlace(0));
      alone.loadWeights(folder);
      assertArrayEquals(
          before.toFloats(), alone.forward(tuner.input(false)).logits().orElseThrow().toFloats());
      Path other = Goldens.path("shadow_own/plain");
      assertThrows(InvalidFileException.class, () -> alone.loadWeights(other));
    }
  }

  private static Map<String, List<Long>> shapes(JsonNode facts) {
    Map<String, List<Long>> result = new TreeMap<>();
    for (Map.Entry<String, JsonNode> entry : facts.get("shapes").properties()) {
      List<Long> sizes = new ArrayList<>();
      entry.getValue().forEach(size -> sizes.add(size.asLong()));
      result.put(entry.getKey(), sizes);
    }
    return result;
  }

  private static Map<String, List<Long>> shapes(Path file) {
    Map<String, List<Long>> result = new TreeMap<>();
    try (WeightSource source = Safetensors.open(file)) {
      source.names().forEach(name -> result.put(name, Longs.asList(source.shape(name).toArray())));
    }
    return result;
  }

  @Test
  void tokenVectorsOfTheBaseAreNotLeftOutOfAFolder(@TempDir Path folder) {
    try (TunerCase tuner = new TunerCase("tuner_shadow");
        PeftModelForCausalLM model = tuner.load()) {
      DetachedShadowModel alone = model.unloadShadow();
      String message =
          assertThrows(IllegalStateException.class, () -> alone.savePretrained(folder))
              .getMessage();
      assertTrue(message.contains("copy(true)"), message);
    }
  }

  @Test
  void withoutATaskItGivesHiddenStates() {
    try (TensorScope scope = TensorScope.open("features");
        var base = AutoModel.fromPretrained(Goldens.path("llama_lora/base").toString());
        PeftModelForFeatureExtraction model =
            Peft.getPeftModel(
                base,
                PeftConfig.fromPretrained(Goldens.path("tuner_shadow_llama/adapter"))
                    .with("task_type", "FEATURE_EXTRACTION")
                    .with("target_modules", List.of("layers.0", "layers.1"))
                    .with("inference_mode", false));
        GradMode off = GradMode.noGrad()) {
      model.eval();
      ModelInput input =
          ModelInput.builder()
              .inputIds(Goldens.tensors("tuner_shadow_llama/io.safetensors").get("in.input_ids"))
              .build();
      assertEquals(16, model.forward(input).lastHiddenState().orElseThrow().size(-1));
      DetachedShadowModel alone = model.unloadShadow(o -> o.adapterName("default"));
      assertEquals(16, alone.forward(input).lastHiddenState().orElseThrow().size(-1));
      String message =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> model.unloadShadow(o -> o.adapterName("other")))
              .getMessage();
      assertTrue(message.contains("no SHADOW adapter \"other\""), message);
    }
  }
}
