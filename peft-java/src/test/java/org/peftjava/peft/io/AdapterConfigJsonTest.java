package org.peftjava.peft.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.peft.Goldens;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.TunerMethods;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.transformers.config.InvalidFileException;

/** Configs that Python wrote or reads, there and back: golden/config_roundtrip. */
class AdapterConfigJsonTest {
  /** Python reads these and fails later, or never. */
  private static final Set<String> STRICTER_HERE = Set.of("rank_zero", "text_as_rank");

  static Stream<String> files() throws IOException {
    try (Stream<Path> folders = Files.list(Goldens.path("config_roundtrip"))) {
      return folders
          .filter(Files::isDirectory)
          .map(folder -> folder.getFileName().toString())
          .sorted()
          .toList()
          .stream();
    }
  }

  private static Map<String, Object> written(TunerConfig config, @TempDir Path folder) {
    return Goldens.map(Goldens.json(write(config, folder)));
  }

  private static Path write(TunerConfig config, Path folder) {
    try {
      return Files.write(folder.resolve("out.json"), AdapterConfigJson.bytes(config));
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  @ParameterizedTest
  @MethodSource("files")
  void readsAndWritesAsPython(String name, @TempDir Path temporary) throws IOException {
    Path folder = Goldens.path("config_roundtrip/" + name);
    JsonNode expected = Goldens.json(folder.resolve("expected.json"));
    if (expected.has("error") || STRICTER_HERE.contains(name)) {
      String message =
          assertThrows(InvalidFileException.class, () -> AdapterConfigJson.read(folder))
              .getMessage();
      assertTrue(message.contains("adapter_config.json: "), message);
      return;
    }
    TunerConfig config = AdapterConfigJson.read(folder);
    Map<String, Object> actual = written(config, temporary);
    config.fields().unknownNames().forEach(actual::remove);
    assertEquals(Goldens.map(expected.get("config")), actual);
    if (expected.get("source").textValue().equals("LoraConfig.save_pretrained")) {
      assertEquals(
          sortedLists(Files.readString(folder.resolve("adapter_config.json"))),
          new String(AdapterConfigJson.bytes(config), StandardCharsets.UTF_8));
    }
  }

  /** Python sorts them, so that another pattern decides when the file is read again. */
  @Test
  void patternsKeepTheirOrder(@TempDir Path folder) throws IOException {
    Map<String, Integer> patterns = new LinkedHashMap<>();
    patterns.put("v_proj", 3);
    patterns.put(".*_proj", 5);
    patterns.put("fc1", 2);
    LoraConfig config =
        LoraConfig.builder().targetModules("v_proj", "fc1").rankPattern(patterns).build();
    Files.write(folder.resolve(AdapterConfigJson.FILE_NAME), AdapterConfigJson.bytes(config));
    assertEquals(
        List.of("v_proj", ".*_proj", "fc1"),
        List.copyOf(AdapterConfigJson.read(folder).fields().numbers("rank_pattern").keySet()));
  }

  /** Python writes target_modules in arbitrary order. */
  private static String sortedLists(String text) {
    String result = text;
    for (String field : List.of("target_modules", "exclude_modules")) {
      int start = result.indexOf("\"" + field + "\": [\n");
      if (start >= 0) {
        int first = result.indexOf('\n', start) + 1;
        int end = result.indexOf("\n  ]", first);
        String items =
            Stream.of(result.substring(first, end).split(",\n"))
                .sorted()
                .reduce((a, b) -> a + ",\n" + b)
                .orElseThrow();
        result = result.substring(0, first) + items + result.substring(end);
      }
    }
    return result;
  }

  @Test
  void unknownKeysSurvive(@TempDir Path temporary) {
    TunerConfig config = AdapterConfigJson.read(Goldens.path("config_roundtrip/future"));
    assertEquals(List.of("telepathy_config", "use_telepathy"), config.fields().unknownNames());
    Map<String, Object> actual = written(((LoraConfig) config).toBuilder().r(5).build(), temporary);
    assertEquals(Map.of("range", 3), actual.get("telepathy_config"));
    assertEquals(true, actual.get("use_telepathy"));
    assertEquals(5, actual.get("r"));
  }

  @Test
  void errorsNameTheFileAndTheWayOut(@TempDir Path temporary) throws IOException {
    String none =
        assertThrows(IllegalArgumentException.class, () -> AdapterConfigJson.read(temporary))
            .getMessage();
    assertTrue(none.startsWith("There is no adapter_config.json in "), none);
    Files.writeString(temporary.resolve("adapter_config.json"), "{\"peft_type\": \"NOPE\"}");
    String unknown =
        assertThrows(InvalidFileException.class, () -> AdapterConfigJson.read(temporary))
            .getMessage();
    assertTrue(
        unknown.endsWith(
            "Unknown peft_type \"NOPE\". Known: "
                + String.join(", ", TunerMethods.peftTypes())
                + "."),
        unknown);
    Files.writeString(temporary.resolve("adapter_config.json"), "[1]");
    assertThrows(InvalidFileException.class, () -> AdapterConfigJson.read(temporary));
  }
}
