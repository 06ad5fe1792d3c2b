package org.peftjava.transformers.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.TensorLedger;
import org.peftjava.transformers.AutoConfig;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.tokenizer.Tokenizer;

/** {@code fromPretrained("org/name")}: exactly the files that are needed come over the network. */
class HubPretrainedTest {
  @TempDir Path cache;

  @Test
  void modelsAndTokenizersComeFromTheHub() throws IOException {
    long before = TensorLedger.liveTensors();
    try (HubServer server = new HubServer()) {
      Map<String, byte[]> files = new TreeMap<>();
      read(files, Goldens.folder("torch_files/sharded"));
      files.put("vocab.json", "{\"a\": 0, \"b\": 1, \"</s>\": 2}".getBytes(StandardCharsets.UTF_8));
      files.put("merges.txt", new byte[0]);
      files.put("tf_model.h5", new byte[5000]);
      files.put("README.md", new byte[50]);
      server.put("org/tiny", files);
      Consumer<HubOptions.Builder> hub =
          options -> options.endpoint(server.endpoint()).cacheDir(cache).localFilesOnly(false);
      try (CausalLM model =
          AutoModelForCausalLM.fromPretrained(
              "org/tiny", options -> options.hub(hub).revision("v1").dtype("bf16"))) {
        assertEquals(Optional.of("org/tiny"), model.config().nameOrPath());
      }
      assertFalse(server.log().stream().anyMatch(request -> request.contains("vocab.json")));
      try (Tokenizer tokenizer =
          AutoTokenizer.fromPretrained("org/tiny", options -> options.hub(hub))) {
        assertEquals(1, tokenizer.encodeIds("b").length);
      }
      assertFalse(server.log().stream().anyMatch(request -> request.contains("tf_model")));
      assertFalse(server.log().stream().anyMatch(request -> request.contains("README")));
      assertTrue(Files.exists(cache.resolve("models--org--tiny/refs/v1")));
    }
    assertEquals(before, TensorLedger.liveTensors());
  }

  @Test
  void whatLiesInASubfolderOfARepositoryComesAlone() throws IOException {
    try (HubServer server = new HubServer()) {
      Map<String, byte[]> root = new TreeMap<>();
      read(root, Goldens.folder("torch_files/sharded"));
      root.put("vocab.json", "{\"a\": 0, \"b\": 1, \"</s>\": 2}".getBytes(StandardCharsets.UTF_8));
      root.put("merges.txt", new byte[0]);
      root.put("generation_config.json", "{\"num_beams\": 3}".getBytes(StandardCharsets.UTF_8));
      Map<String, byte[]> files = new TreeMap<>();
      root.forEach((name, bytes) -> files.put("run/last/" + name, bytes));
      files.put("config.json", "{}".getBytes(StandardCharsets.UTF_8));
      server.put("org/tiny", files);
      Consumer<HubOptions.Builder> hub =
          options -> options.endpoint(server.endpoint()).cacheDir(cache).localFilesOnly(false);
      try (CausalLM model =
          AutoModelForCausalLM.fromPretrained(
              "org/tiny", options -> options.hub(hub).subfolder("run/last"))) {
        assertEquals(3, model.generationConfig().numBeams());
        assertEquals(
            model.config().hiddenSize(),
            AutoConfig.fromPretrained("org/tiny", o -> o.hub(hub).subfolder("run/last"))
                .hiddenSize());
      }
      try (Tokenizer tokenizer =
          AutoTokenizer.fromPretrained("org/tiny", o -> o.hub(hub).subfolder("run/last"))) {
        assertEquals(1, tokenizer.encodeIds("b").length);
      }
      assertFalse(server.log().stream().anyMatch(request -> request.endsWith("/main/config.json")));
      assertTrue(
          assertThrows(
                  IllegalArgumentException.class,
                  () -> AutoConfig.fromPretrained("org/tiny", o -> o.hub(hub).subfolder("none")))
              .getMessage()
              .startsWith("There is no folder \"none\" in"));
    }
  }

  private static void read(Map<String, byte[]> files, Path folder) throws IOException {
    try (Stream<Path> paths = Files.list(folder)) {
      for (Path file : paths.toList()) {
        files.put(file.getFileName().toString(), Files.readAllBytes(file));
      }
    }
  }
}
