package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.InvalidFileException;
import org.peftjava.transformers.model.LayerReplication;

/** Settings of a few bytes that would make objects without end. */
class HostileConfigsTest {
  @ParameterizedTest
  @CsvSource({
    "llama, num_hidden_layers, 2147483647",
    "qwen2, num_hidden_layers, 10001",
    "gemma2, num_hidden_layers, 2000000000",
    "opt, num_hidden_layers, 2147483647",
    "gpt2, n_layer, 2147483647",
    "gpt2, num_hidden_layers, 2147483647",
    "bloom, n_layer, 2147483647",
    "bert, num_hidden_layers, 2147483647",
    "distilbert, n_layers, 2147483647",
    "t5, num_layers, 2147483647",
    "t5, num_decoder_layers, 2147483647",
  })
  void layersWithoutEndAreRefused(String type, String key, int count) {
    ConfigJson json =
        ConfigJson.parse(
            "{\"model_type\": \"" + type + "\", \"" + key + "\": " + count + "}",
            Path.of("config.json"));
    String message =
        assertThrows(InvalidFileException.class, () -> AutoConfig.of(json)).getMessage();
    assertTrue(message.contains("\"" + key + "\" is " + count), message);
    assertTrue(message.contains("at most 10000 layers"), message);
  }

  @Test
  void layersWithoutEndAreNotReplicated() {
    List<List<Integer>> ranges = Collections.nCopies(5001, List.of(0, 2));
    String message =
        assertThrows(IllegalArgumentException.class, () -> LayerReplication.of(ranges, 2))
            .getMessage();
    assertTrue(message.contains("more than 10000 layers"), message);
    assertEquals(8, LayerReplication.of(ranges.subList(0, 4), 2).order().size());
  }
}
