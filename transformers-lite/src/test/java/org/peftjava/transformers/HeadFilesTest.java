package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.peftjava.transformers.Goldens.assertClose;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.Creation;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.checkpoint.Checkpoints;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.ConfigJson;

/** Checkpoints whose names, ties or labels are not those of the model that is asked for. */
class HeadFilesTest {
  private static final Path BERT = Goldens.folder("heads_bert");
  private static final String DECODER = "cls.predictions.decoder.weight";
  private static final String TABLE = "bert.embeddings.word_embeddings.weight";

  @TempDir private Path temporary;
  private long liveBefore;

  @BeforeEach
  void count() {
    liveBefore = TensorLedger.liveTensors();
  }

  @AfterEach
  void nothingIsLeft() {
    assertEquals(liveBefore, TensorLedger.liveTensors());
  }

  /** Copies a golden model, its weights and its settings changed. */
  private void rewrite(
      String head, Consumer<Map<String, Tensor>> change, String setting, String replacement) {
    try (TensorScope scope = TensorScope.open("rewrite");
        WeightSource source = Checkpoints.open(BERT.resolve(head))) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      source.names().forEach(name -> tensors.put(name, source.tensor(name)));
      change.accept(tensors);
      Checkpoints.write(temporary, tensors, 1 << 30);
      String config = Files.readString(BERT.resolve(head).resolve("config.json"));
      assertTrue(config.contains(setting), setting);
      Files.writeString(temporary.resolve("config.json"), config.replace(setting, replacement));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void rewrite(String head, Consumer<Map<String, Tensor>> change) {
    rewrite(head, change, "", "");
  }

  private static Tensor logits(PretrainedModel model) {
    Tensor ids = Creation.ofLongs(new long[][] {{5, 6, 7}});
    return model.forward(ModelInput.builder().inputIds(ids).build()).logits().orElseThrow();
  }

  private void assertSameAs(String head) {
    try (CheckpointModel original = HeadContract.load(head, BERT.resolve(head), o -> {});
        CheckpointModel loaded = HeadContract.load(head, temporary, o -> {});
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      assertClose(logits(original), logits(loaded), 1e-6);
    }
  }

  @Test
  void namesOfLayerNormsFromTensorFlow() {
    rewrite(
        "masked_lm",
        tensors -> {
          Map<String, Tensor> old = new LinkedHashMap<>(tensors);
          tensors.clear();
          old.forEach(
              (name, value) ->
                  tensors.put(
                      name.replace("LayerNorm.weight", "LayerNorm.gamma")
                          .replace("LayerNorm.bias", "LayerNorm.beta"),
                      value));
          tensors.put("bert.embeddings.position_ids", Creation.ofLongs(new long[20], 1, 20));
          tensors.put("cls.seq_relationship.bias", old.get("bert.embeddings.LayerNorm.bias"));
        });
    assertSameAs("masked_lm");
  }

  @Test
  void aHeadWithoutItsTableFillsBoth() {
    rewrite("masked_lm", tensors -> tensors.put(DECODER, tensors.remove(TABLE)));
    assertSameAs("masked_lm");
    rewrite(
        "masked_lm",
        tensors ->
            tensors.put("cls.predictions.decoder.bias", tensors.remove("cls.predictions.bias")));
    assertSameAs("masked_lm");
  }

  @Test
  void tiesFollowTheConfigAndTheFile() {
    try (MaskedLM tied = AutoModelForMaskedLM.fromPretrained(BERT.resolve("masked_lm"))) {
      Map<String, Parameter> state = tied.namedState();
      assertSame(state.get(TABLE), state.get(DECODER));
      assertSame(state.get("cls.predictions.bias"), state.get("cls.predictions.decoder.bias"));
    }
    // the file holds another decoder: it stays separate, and is saved so
    rewrite("masked_lm", tensors -> tensors.put(DECODER, tensors.get(TABLE).mul(2)));
    Path again = temporary.resolve("again");
    try (MaskedLM model = AutoModelForMaskedLM.fromPretrained(temporary)) {
      assertNotSame(model.namedState().get(TABLE), model.namedState().get(DECODER));
      assertTrue(model.namedState().values().stream().allMatch(Parameter::isMaterialized));
      model.savePretrained(again);
    }
    assertFalse(ConfigJson.read(again.resolve("config.json")).getBoolean("tie_word_embeddings"));
    try (MaskedLM first = AutoModelForMaskedLM.fromPretrained(temporary);
        MaskedLM second = AutoModelForMaskedLM.fromPretrained(again);
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      assertClose(logits(first), logits(second), 1e-6);
    }
  }

  @Test
  void aConfigThatUntiesLeavesWhatTheFileLacksNew() {
    rewrite(
        "masked_lm",
        tensors -> {},
        "\"tie_word_embeddings\": true",
        "\"tie_word_embeddings\": false");
    try (MaskedLM model = AutoModelForMaskedLM.fromPretrained(temporary)) {
      assertNotSame(model.namedState().get(TABLE), model.namedState().get(DECODER));
      assertTrue(model.namedState().get(DECODER).isMaterialized());
    }
  }

  @Test
  void aNewHeadStartsAsTheConfigSaysAndRepeatsWithTheSeed() {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Tensor first = newClassifier();
      Tensor second = newClassifier();
      assertClose(first, second, 0);
      double std = Math.sqrt(first.mul(first).mean().toDouble());
      assertTrue(std > 0.01 && std < 0.03, "initializer_range is 0.02, got " + std);
    }
  }

  private static Tensor newClassifier() {
    Randomness.manualSeed(3);
    try (SequenceClassification model =
        AutoModelForSequenceClassification.fromPretrained(
            BERT.resolve("base"), o -> o.numLabels(5))) {
      assertEquals(5, model.labelCount());
      Map<String, Parameter> state = model.namedState();
      assertEquals(0, state.get("classifier.bias").tensor().abs().max().toDouble());
      return state.get("classifier.weight").tensor().copy();
    }
  }

  @Test
  void anotherNumberOfLabelsIsAnErrorUnlessAllowed() {
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () ->
                    AutoModelForSequenceClassification.fromPretrained(
                        BERT.resolve("sequence"), o -> o.numLabels(4)))
            .getMessage();
    assertTrue(
        message.contains("classifier.weight is [3, 16] in the file, [4, 16] expected"), message);
    assertTrue(message.endsWith("set ignoreMismatchedSizes(true)."), message);
    try (SequenceClassification model =
        AutoModelForSequenceClassification.fromPretrained(
            BERT.resolve("sequence"), o -> o.numLabels(4).ignoreMismatchedSizes(true))) {
      assertEquals(4, model.labelCount());
    }
  }

  @Test
  void aBackboneMustBeComplete() {
    rewrite("sequence", tensors -> tensors.remove("bert.encoder.layer.1.output.dense.weight"));
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> AutoModelForSequenceClassification.fromPretrained(temporary))
            .getMessage();
    assertTrue(
        message.contains("bert.encoder.layer.1.output.dense.weight [16, 24] is missing"), message);
    rewrite("sequence", tensors -> tensors.remove("bert.pooler.dense.weight"));
    AutoModelForSequenceClassification.fromPretrained(temporary).close();
  }

  @Test
  void labelsOfConfigs() {
    try (SequenceClassification model =
        AutoModelForSequenceClassification.fromPretrained(
            BERT.resolve("sequence"),
            o -> o.id2label(Map.of(0, "bad", 1, "fair", 2, "good")).problemType("regression"))) {
      assertEquals(Map.of(0, "bad", 1, "fair", 2, "good"), model.config().id2label());
      assertEquals(Map.of("bad", 0, "fair", 1, "good", 2), model.config().label2id());
      assertEquals(3, model.config().numLabels());
      model.savePretrained(temporary);
    }
    ConfigJson json = ConfigJson.read(temporary.resolve("config.json"));
    assertEquals("fair", json.findObject("id2label").orElseThrow().getString("1"));
    assertEquals(2, json.findObject("label2id").orElseThrow().getInt("good"));
    assertEquals("regression", json.getString("problem_type"));
    assertFalse(json.has("num_labels"));
    assertEquals(List.of("BertForSequenceClassification"), json.getStrings("architectures"));

    assertLabels("{\"0\": \"a\", \"one\": \"b\"}", "has the key \"one\"");
    assertLabels("{\"0\": 1}", "expected a string");
    rewriteSetting("\"model_type\"", "\"problem_type\": \"ranking\", \"model_type\"");
    assertRefused("\"problem_type\" is \"ranking\"");
    rewriteSetting("\"model_type\"", "\"num_labels\": 1000000000, \"model_type\"");
    assertRefused("\"num_labels\" is 1000000000; expected a number from 1 to");
  }

  private void assertLabels(String names, String part) {
    rewriteSetting("\"id2label\": {", "\"id2label\": " + names + ", \"unused\": {");
    assertRefused(part);
  }

  private void rewriteSetting(String setting, String replacement) {
    rewrite("sequence", tensors -> {}, setting, replacement);
  }

  private void assertRefused(String part) {
    String message =
        assertThrows(
                RuntimeException.class,
                () -> AutoModelForSequenceClassification.fromPretrained(temporary))
            .getMessage();
    assertTrue(message.contains(part), message);
  }
}
