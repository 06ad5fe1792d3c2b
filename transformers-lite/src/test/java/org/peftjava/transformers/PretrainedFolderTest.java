package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.peftjava.transformers.Goldens.assertClose;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.checkpoint.Checkpoints;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.model.Architecture;
import org.peftjava.transformers.model.Architectures;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Model folders: what transformers wrote is read and written back, what is wrong is explained. */
class PretrainedFolderTest {
  private static final TokenBatch BATCH = TokenBatch.of(new long[][] {{2, 5, 6, 17, 8}});

  @TempDir Path temporary;

  @ParameterizedTest
  @ValueSource(strings = {"opt_lora", "opt350_lora", "opt_embedding", "opt_bfloat16"})
  void savedFilesEqualPythonsByteForByte(String name) throws IOException {
    Path python = Goldens.folder(name).resolve("base");
    try (CausalLM model = AutoModelForCausalLM.fromPretrained(python)) {
      assertEquals(Optional.of(python.toString()), model.config().nameOrPath());
      assertFalse(model.isTraining());
      model.savePretrained(temporary);
    }
    for (String file : new String[] {"config.json", "generation_config.json"}) {
      assertEquals(
          Files.readString(python.resolve(file)), Files.readString(temporary.resolve(file)));
    }
    assertArrayEquals(
        Files.readAllBytes(python.resolve("model.safetensors")),
        Files.readAllBytes(temporary.resolve("model.safetensors")));
  }

  @Test
  void aModelBuiltFromItsConfigComesBack() {
    try (CausalLM model = TinyOpt.model(TinyOpt.config().tieWordEmbeddings(false));
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      model.generationConfig(
          model.generationConfig().toBuilder().doSample(true).temperature(0.7).build());
      model.savePretrained(temporary);
      try (CausalLM loaded = AutoModelForCausalLM.fromPretrained(temporary.toString())) {
        assertClose(logits(model), logits(loaded), 1e-6);
        assertFalse(loaded.isTied());
        assertEquals(0.7, loaded.generationConfig().temperature());
        assertTrue(loaded.generationConfig().doSample());
      }
    }
  }

  @Test
  void typesAreConvertedOnRequest() {
    Path folder = Goldens.folder("opt_lora").resolve("base");
    try (CausalLM single = AutoModelForCausalLM.fromPretrained(folder);
        CausalLM half = AutoModelForCausalLM.fromPretrained(folder, o -> o.dtype(DType.BFLOAT16));
        CausalLM named = AutoModelForCausalLM.fromPretrained(folder, o -> o.dtype("float64"));
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      assertEquals(DType.FLOAT32, single.dtype());
      half.namedParameters().values().forEach(p -> assertEquals(DType.BFLOAT16, p.dtype()));
      assertEquals(DType.FLOAT64, named.dtype());
      assertClose(logits(single), logits(half), 0.06);
      assertClose(logits(named), logits(single), 1e-5);
    }
  }

  /** As max_shard_size="8KB" did in Python. */
  @Test
  void shardsAreWrittenOnRequest() throws IOException {
    Path python = Goldens.folder("safetensors/sharded");
    try (CausalLM model = original()) {
      model.savePretrained(temporary, options -> options.maxShardSize("8KB"));
      assertRefused(model, "0GB", "maxShardSize is 0");
      assertRefused(model, "5PB", "\"5PB\"; expected a number with KB");
      assertRefused(model, "5", "\"5\"; expected");
      assertRefused(model, "-5GB", "expected a number");
    }
    assertTrue(Files.exists(temporary.resolve("model.safetensors.index.json")));
    try (WeightSource expected = Checkpoints.open(python);
        WeightSource actual = Checkpoints.open(temporary);
        TensorScope scope = TensorScope.open("compare")) {
      assertEquals(new TreeSet<>(expected.names()), new TreeSet<>(actual.names()));
      for (String name : expected.names()) {
        assertArrayEquals(expected.tensor(name).toBytes(), actual.tensor(name).toBytes(), name);
      }
    }
    assertLoadsEqual();
  }

  private void assertRefused(CausalLM model, String size, String part) {
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> model.savePretrained(temporary, options -> options.maxShardSize(size)))
            .getMessage();
    assertTrue(message.contains(part), message);
  }

  @Test
  void weightsAreCopiedBackInPlace() {
    try (CausalLM model = TinyOpt.model(TinyOpt.config());
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Tensor before = logits(model);
      model.savePretrained(temporary);
      Tensor weight = model.namedParameters().get("model.decoder.layers.0.fc1.weight").tensor();
      weight.mulInPlace(2);
      assertTrue(logits(model).sub(before).abs().max().toDouble() > 0.01);
      model.loadWeights(temporary);
      assertClose(before, logits(model), 1e-6);
      assertFalse(weight.isClosed());
    }
  }

  @Test
  void namesWithoutThePrefixAndUnexpectedOnesAreAccepted() {
    rewrite(
        tensors -> {
          Map<String, Tensor> old = new LinkedHashMap<>(tensors);
          tensors.clear();
          old.forEach((name, value) -> tensors.put(name.replaceFirst("^model\\.", ""), value));
          tensors.put("score.weight", old.get("model.decoder.final_layer_norm.weight"));
        });
    assertLoadsEqual();
  }

  @Test
  void aTiedHeadMayReplaceTheEmbeddingInTheFile() {
    rewrite(
        tensors ->
            tensors.put("lm_head.weight", tensors.remove("model.decoder.embed_tokens.weight")));
    assertLoadsEqual();
  }

  @Test
  void aHeadThatDiffersStaysSeparate() {
    rewrite(
        tensors ->
            tensors.put("lm_head.weight", tensors.get("model.decoder.embed_tokens.weight").mul(2)));
    try (CausalLM original = original();
        CausalLM loaded = AutoModelForCausalLM.fromPretrained(temporary);
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      assertFalse(loaded.isTied());
      assertClose(logits(original).mul(2), logits(loaded), 1e-5);
    }
  }

  @Test
  void missingAndMisshapenWeightsAreNamedWithTheirShapes() {
    long before = TensorLedger.liveTensors();
    rewrite(
        tensors -> {
          tensors.remove("model.decoder.layers.1.fc2.bias");
          tensors.put(
              "model.decoder.layers.0.fc1.weight",
              tensors.get("model.decoder.layers.0.fc1.weight").narrow(0, 0, 5));
        });
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> AutoModelForCausalLM.fromPretrained(temporary))
            .getMessage();
    assertTrue(message.contains("model.decoder.layers.1.fc2.bias [16] is missing"), message);
    assertTrue(
        message.contains(
            "model.decoder.layers.0.fc1.weight is [5, 16] in the file, [32, 16] expected"),
        message);
    assertEquals(before, TensorLedger.liveTensors());
  }

  @Test
  void foldersThatAreNoModelsAreExplained() throws IOException {
    assertFailure("no/such", "There is no folder");
    assertFailure("no/such/folder", "no id on the Hugging Face hub");
    assertFailure(temporary.toString(), "has no config.json");
    Files.writeString(temporary.resolve("config.json"), "{\"model_type\": \"opx\"}");
    String known =
        Architectures.all().stream()
            .map(Architecture::modelType)
            .sorted()
            .collect(Collectors.joining(", "));
    assertFailure(
        temporary.toString(), "Unknown model_type 'opx'. Expected one of: " + known + ".");
    Files.writeString(
        temporary.resolve("config.json"),
        "{\"model_type\": \"opt\", \"hidden_size\": 770, \"num_attention_heads\": 12}");
    assertFailure(temporary.toString(), "hidden_size (770) must be divisible");
    Files.writeString(
        temporary.resolve("config.json"),
        "{\"model_type\": \"opt\", \"activation_function\": \"relo\"}");
    Files.copy(
        Goldens.folder("opt_lora").resolve("base/model.safetensors"),
        temporary.resolve("model.safetensors"));
    assertFailure(temporary.toString(), "activation_function is 'relo'. Expected one of: gelu");
  }

  private static void assertFailure(String folder, String part) {
    String message =
        assertThrows(RuntimeException.class, () -> AutoModelForCausalLM.fromPretrained(folder))
            .getMessage();
    assertTrue(message.contains(part), message);
  }

  /** Writes the golden base model to the temporary folder, its weights changed. */
  private void rewrite(Consumer<Map<String, Tensor>> change) {
    try (CausalLM model = original();
        TensorScope scope = TensorScope.open("rewrite")) {
      model.savePretrained(temporary);
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      try (WeightSource source = Checkpoints.open(temporary)) {
        source.names().forEach(name -> tensors.put(name, source.tensor(name)));
      }
      change.accept(tensors);
      Checkpoints.write(temporary, tensors, 1 << 30);
    }
  }

  private void assertLoadsEqual() {
    try (CausalLM original = original();
        CausalLM loaded = AutoModelForCausalLM.fromPretrained(temporary);
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      assertTrue(loaded.isTied());
      assertClose(logits(original), logits(loaded), 1e-6);
    }
  }

  private static CausalLM original() {
    return AutoModelForCausalLM.fromPretrained(Goldens.folder("opt_lora").resolve("base"));
  }

  private static Tensor logits(CausalLM model) {
    return model.forward(BATCH).logits().orElseThrow();
  }
}
