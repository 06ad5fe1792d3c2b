package org.peftjava.transformers.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;

/** Configs of decoder architectures beside transformers' own, and files that are wrong. */
class DecoderConfigTest {
  private static final Path FILE = Path.of("config.json");

  static Stream<Arguments> files() {
    List<Arguments> all = new ArrayList<>();
    try {
      new ObjectMapper()
          .readTree(Goldens.folder("decoder_configs.json").toFile())
          .forEach(
              row ->
                  all.add(
                      Arguments.of(
                          row.get("modelType").textValue(),
                          row.get("given"),
                          row.get("expected"))));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return all.stream();
  }

  @ParameterizedTest
  @MethodSource("files")
  void filesMeanWhatTheyMeanInPython(String modelType, JsonNode given, JsonNode expected) {
    PretrainedConfig config = read(modelType, given.toString());
    String text = config.json().toJson();
    assertEquals(ConfigJson.parse(expected.toString(), FILE).toJson(), text);
    // what was completed once stays as it is
    assertEquals(text, read(modelType, text).json().toJson());
    assertEquals("here", config.withNameOrPath("here").nameOrPath().orElseThrow());
    assertEquals(config.json(), config.withNameOrPath("here").json());
  }

  private static PretrainedConfig read(String modelType, String text) {
    return Architectures.get(modelType).config(ConfigJson.parse(text, FILE));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "llama | {'hidden_size': 100} | hidden_size (100) must be divisible by num_attention_heads",
        "llama | {'num_key_value_heads': 5} | num_attention_heads (32) must be divisible by"
            + " num_key",
        "llama | {'num_hidden_layers': 0} | \"num_hidden_layers\" is 0; expected a number above 0",
        "llama | {'head_dim': -4} | \"head_dim\" is -4; expected a number above 0",
        "llama | {'vocab_size': 'many'} | \"vocab_size\" is \"many\"; expected a whole number",
        "llama | {'pad_token_id': 32000} | \"pad_token_id\" is 32000; expected 0 to 31999",
        "llama | {'attention_dropout': 1} | \"attention_dropout\" is 1; expected a probability",
        "llama | {'rope_scaling': 7} | \"rope_scaling\" is 7; expected an object",
        "mistral | {'sliding_window': 0} | \"sliding_window\" is 0; expected a number above 0",
        "qwen2 | {'layer_types': ['full_attention']} | expected one entry for each of the 32"
            + " layers",
        "qwen3 | {'num_hidden_layers': 1, 'layer_types': ['chunked_attention']} | not"
            + " chunked_attention",
        "qwen2 | {'num_hidden_layers': 1, 'layer_types': ['sliding_attention']} |"
            + " \"sliding_window\" is",
        "gemma2 | {'use_bidirectional_attention': true} | this version supports false only",
        "gemma3_text | {'sliding_window_pattern': 0} | \"sliding_window_pattern\" is 0; expected",
        "phi | {'hidden_size': 24, 'num_attention_heads': 4, 'partial_rotary_factor': 0.5} |"
            + " turn 3 elements",
        "phi3 | {'resid_pdrop': -1} | \"resid_pdrop\" is -1; expected a probability",
        "phi3 | {'rope_scaling': {'type': 'su'}} | \"short_factor\" is missing",
        "gpt2 | {'n_head': 7} | n_embd (768) must be divisible by n_head (7)",
        "gpt2 | {'add_cross_attention': true} | this version supports false only",
        "bloom | {'n_head': 7} | hidden_size (64) must be divisible by n_head (7)",
      })
  void wrongFilesAreExplained(String modelType, String file, String expected) {
    String message =
        assertThrows(RuntimeException.class, () -> read(modelType, file.replace('\'', '"')))
            .getMessage();
    assertTrue(message.contains(expected.strip()), message);
  }
}
