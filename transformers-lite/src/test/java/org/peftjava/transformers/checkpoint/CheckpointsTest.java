package org.peftjava.transformers.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.config.InvalidFileException;

class CheckpointsTest {
  private static final Path SHARDED = Goldens.folder("safetensors/sharded");
  private static final String INDEX = "model.safetensors.index.json";

  @TempDir Path folder;
  private long liveBefore;
  private TensorScope scope;

  @BeforeEach
  void openScope() {
    liveBefore = TensorLedger.liveTensors();
    scope = TensorScope.open("test");
  }

  @AfterEach
  void nothingLeaks() {
    scope.close();
    assertEquals(liveBefore, TensorLedger.liveTensors());
  }

  /** Both were written from one model, once in shards and once in one file. */
  @Test
  void readsShardsLikeOneFile() {
    try (WeightSource shards = Checkpoints.open(SHARDED);
        WeightSource whole = Checkpoints.open(Goldens.folder("opt_lora/base"))) {
      assertEquals(whole.names(), shards.names());
      assertEquals(Map.of("format", "pt"), shards.metadata());
      for (String name : whole.names()) {
        assertEquals(whole.shape(name), shards.shape(name));
        assertEquals(whole.dtype(name), shards.dtype(name));
        assertEquals(whole.tensor(name).numel(), shards.tensor(name).toFloats().length);
      }
      String message =
          assertThrows(IllegalArgumentException.class, () -> shards.tensor("x")).getMessage();
      assertTrue(message.contains("\"x\"") && message.contains("36 names"), message);
    }
  }

  /** In the order of the Python model's state dict the shards come out byte for byte. */
  @Test
  void writesTheShardsThatPythonWrote() throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    try (WeightSource source = Checkpoints.open(SHARDED)) {
      for (String name : stateDictOrder()) {
        tensors.put(name, source.tensor(name));
      }
      assertEquals(source.names(), Map.copyOf(tensors).keySet());
    }
    Checkpoints.write(folder, tensors, 8000);
    List<String> names = names(folder);
    assertEquals(4, names.size());
    for (String name : names) {
      assertEquals(-1, Files.mismatch(SHARDED.resolve(name), folder.resolve(name)), name);
    }
  }

  @Test
  void replacesAnOlderCheckpointOfAnotherForm() throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("a", Creation.ofFloats(new float[] {1, 2}, 2));
    tensors.put("b", Creation.ofFloats(new float[] {3, 4, 5}, 3));
    Files.writeString(folder.resolve("config.json"), "{}");
    Checkpoints.write(folder, tensors, 12);
    assertEquals(
        List.of(
            "config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            INDEX),
        names(folder));
    Checkpoints.write(folder, tensors, 1);
    assertEquals(4, names(folder).size(), "tensors larger than a shard get one each");
    Checkpoints.write(folder, tensors, 20);
    assertEquals(List.of("config.json", "model.safetensors"), names(folder));
    try (WeightSource source = Checkpoints.open(folder)) {
      assertArrayEquals(new float[] {3, 4, 5}, source.tensor("b").toFloats());
    }
    assertThrows(IllegalArgumentException.class, () -> Checkpoints.write(folder, tensors, 0));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"../model.safetensors\"",
        "\"/etc/model.safetensors\"",
        "\"a/b.safetensors\"",
        "\"a\\\\b.safetensors\"",
        "\"C:b.safetensors\"",
        "\"a\\u0000.safetensors\"",
        "\"config.json\"",
        "\"\"",
        "7",
        "null",
        "{\"a\": 1}"
      })
  void anIndexCannotReachOtherFiles(String file) throws IOException {
    Files.writeString(folder.resolve(INDEX), "{\"weight_map\": {\"w\": " + file + "}}");
    String message =
        assertThrows(InvalidFileException.class, () -> Checkpoints.open(folder)).getMessage();
    assertTrue(message.contains("\"w\"") && message.contains("in the same folder"), message);
  }

  @Test
  void saysWhatIsWrongWithAnIndex() throws IOException {
    Path index = folder.resolve(INDEX);
    Files.writeString(index, "{\"weight_map\": []}");
    assertRejected("weight_map");
    Files.writeString(index, "[]");
    assertRejected("expected a JSON object");
    Files.writeString(index, "{\"weight_map\": {\"w\": \"model-00001-of-00002.safetensors\"}}");
    assertRejected("which is not there");
    Safetensors.write(
        folder.resolve("model-00001-of-00002.safetensors"),
        Map.of("other", Creation.ofFloats(new float[] {1}, 1)),
        Map.of());
    assertRejected("does not have it");
  }

  @Test
  void saysWhatAFolderHoldsInstead() throws IOException {
    Files.writeString(folder.resolve("tf_model.h5"), "x");
    String message =
        assertThrows(UncheckedIOException.class, () -> Checkpoints.open(folder)).getMessage();
    assertTrue(
        message.contains("found [tf_model.h5]") && message.contains("pytorch_model.bin"), message);
    Path absent = folder.resolve("absent");
    String other =
        assertThrows(UncheckedIOException.class, () -> Checkpoints.open(absent)).getMessage();
    assertTrue(other.contains("no such folder"), other);
  }

  private void assertRejected(String problem) {
    String message =
        assertThrows(InvalidFileException.class, () -> Checkpoints.open(folder)).getMessage();
    assertTrue(message.contains(problem) && message.contains(INDEX), message);
  }

  private static List<String> stateDictOrder() {
    List<String> names = new ArrayList<>();
    for (String name :
        List.of(
            "embed_tokens.weight",
            "embed_positions.weight",
            "final_layer_norm.weight",
            "final_layer_norm.bias")) {
      names.add("model.decoder." + name);
    }
    for (int layer = 0; layer < 2; layer++) {
      for (String part :
          List.of(
              "self_attn.k_proj",
              "self_attn.v_proj",
              "self_attn.q_proj",
              "self_attn.out_proj",
              "self_attn_layer_norm",
              "fc1",
              "fc2",
              "final_layer_norm")) {
        names.add("model.decoder.layers." + layer + "." + part + ".weight");
        names.add("model.decoder.layers." + layer + "." + part + ".bias");
      }
    }
    return names;
  }

  private static List<String> names(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }
}
