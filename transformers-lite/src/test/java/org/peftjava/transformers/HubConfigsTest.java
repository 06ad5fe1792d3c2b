package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.Labels;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.generation.GenerationConfig;

/**
 * Files named config.json as the hub has them, of versions 4.5 to 5, mean what they do in Python.
 */
class HubConfigsTest {
  private static final Path FILE = Path.of("config.json");

  /** What names the model and its weights rather than describing it. */
  private static final Set<String> ELSEWHERE =
      Set.of("_name_or_path", "architectures", "auto_map", "dtype", "torch_dtype");

  private static Iterable<Map.Entry<String, JsonNode>> rows() throws IOException {
    return new ObjectMapper().readTree(Goldens.folder("hub_configs.json").toFile()).properties();
  }

  @TestFactory
  List<DynamicTest> meanWhatTheyMeanInPython() throws IOException {
    List<DynamicTest> tests = new ArrayList<>();
    for (Map.Entry<String, JsonNode> row : rows()) {
      tests.add(DynamicTest.dynamicTest(row.getKey(), () -> check(row.getValue())));
    }
    assertEquals(71, tests.size());
    return tests;
  }

  private static void check(JsonNode row) {
    ConfigJson given = ConfigJson.parse(row.get("given").toString(), FILE);
    PretrainedConfig config = AutoConfig.of(given);
    Labels labels = Labels.of(config.json());
    assertEquals(texts(row.get("labels")), List.copyOf(labels.id2label().values()));
    ConfigJson expected = ConfigJson.parse(row.get("config").toString(), FILE);
    ConfigJson actual = Labels.normalized(config.json());
    for (String key : expected.keys()) {
      if (!ELSEWHERE.contains(key) && (expected.has(key) || !key.equals("label2id"))) {
        assertEquals(text(expected, key), text(actual, key), key);
      }
    }
    // what Python leaves out stays as it was
    Set<String> others = new TreeSet<>(actual.keys());
    expected.keys().forEach(others::remove);
    for (String key : others) {
      boolean settled = key.equals("id2label") || key.equals("label2id");
      assertTrue(settled || text(given, key).equals(text(actual, key)), key);
    }
    ConfigJson generation = ConfigJson.parse(row.get("generation").toString(), FILE);
    ConfigJson settings = GenerationConfig.fromModelConfig(given).json();
    for (String key : generation.keys()) {
      assertEquals(text(generation, key), text(settings, key), key);
    }
  }

  private static List<String> texts(JsonNode list) {
    List<String> texts = new ArrayList<>();
    list.forEach(item -> texts.add(item.textValue()));
    return texts;
  }

  /** A value with its keys in order; numbers as Python compares them. */
  private static String text(ConfigJson json, String key) {
    return ConfigJson.empty(FILE)
        .with("value", json.node(key).orElse(null))
        .toJson()
        .replaceAll("(\\d)\\.0\\b", "$1");
  }

  @Test
  void aFolderWithoutGenerationSettingsTakesThoseOfItsConfig(@TempDir Path folder)
      throws IOException {
    Path golden = Goldens.folder("decoder_gpt2").resolve("base");
    for (String name : List.of("config.json", "model.safetensors")) {
      Files.copy(golden.resolve(name), folder.resolve(name));
    }
    Path file = folder.resolve("config.json");
    ConfigJson json = ConfigJson.read(file).with("max_length", 9).with("temperature", 0);
    Files.write(
        file, json.with("begin_suppress_tokens", List.of(3)).without("bos_token_id").toBytes());
    try (CausalLM model = AutoModelForCausalLM.fromPretrained(folder)) {
      GenerationConfig settings = model.generationConfig();
      assertEquals(9, settings.maxLength().orElseThrow());
      assertEquals(List.of(3L), settings.beginSuppressTokens());
      assertTrue(settings.bosTokenId().isEmpty());
      assertEquals(0, settings.temperature()); // fails where it is used only
    }
  }
}
