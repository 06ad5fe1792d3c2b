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
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.llama.LlamaConfig;

/** Angles of settings of real sizes, beside transformers' own, to the last digit of float32. */
class RopeFrequenciesTest {
  private static final double ULP = 1.2e-7;

  static Stream<Arguments> cases() {
    List<Arguments> all = new ArrayList<>();
    try {
      JsonNode golden = new ObjectMapper().readTree(Goldens.folder("rope.json").toFile());
      golden
          .fields()
          .forEachRemaining(
              entry ->
                  entry
                      .getValue()
                      .get("lengths")
                      .fields()
                      .forEachRemaining(
                          length ->
                              all.add(
                                  Arguments.of(
                                      entry.getKey(),
                                      Long.parseLong(length.getKey()),
                                      entry.getValue().get("config"),
                                      length.getValue()))));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return all.stream();
  }

  @ParameterizedTest(name = "{0}, {1} tokens")
  @MethodSource("cases")
  void anglesArePythons(String name, long length, JsonNode settings, JsonNode expected) {
    ConfigJson json =
        ConfigJson.parse(settings.toString(), Path.of(name))
            .with("num_attention_heads", 4)
            .with("head_dim", 128);
    ConfigJson values = RopeJson.standardize(json, 10_000).findObject("rope_parameters").get();
    RopeParameters rope =
        RopeParameters.of(values, 128, json.getInt("max_position_embeddings", 2048));
    RopeFrequencies frequencies = RopeFrequencies.of(rope, length);

    assertEquals(
        expected.get("attentionScaling").asDouble(), frequencies.attentionScaling(), 1e-12);
    JsonNode angles = expected.get("angles");
    assertEquals(angles.size(), frequencies.angles().size());
    for (int i = 0; i < angles.size(); i++) {
      double angle = angles.get(i).asDouble();
      // blends of two angles may differ by a few roundings
      assertEquals(angle, frequencies.angles().get(i), 4 * ULP * Math.abs(angle), "angle " + i);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "{'rope_type': 'spiral'} | \"rope_type\" is \"spiral\"; expected one of default, dynamic",
        "{'rope_type': 'linear'} | \"factor\" is missing; rope_type 'linear' needs it",
        "{'rope_type': 'linear', 'factor': 0} | give angles that are no numbers: [Infinity,",
        "{'rope_type': 'linear', 'factor': '2'} | \"factor\" is \"2\"; expected a number",
        "{'rope_type': 'llama3', 'factor': 8, 'low_freq_factor': 1} | \"high_freq_factor\" is"
            + " missing",
        "{'rope_type': 'longrope', 'long_factor': [1]} | \"short_factor\" is missing",
        "{'rope_type': 'longrope', 'short_factor': [1, 2, 3], 'long_factor': [1, 2]} |"
            + " \"long_factor\" is [1,2]; rope_type 'longrope' needs a list of 3 numbers",
        "{'rope_theta': 0} | give angles that are no numbers: [1.0, Infinity,",
        "{'rope_theta': '10000.0'} | \"rope_theta\" is \"10000.0\"; expected a number",
        "{'rope_type': 'yarn', 'factor': 2, 'beta_fast': -1} | gives no angles for -1.0 turns",
        "{'rope_type': 'linear', 'factor': 2, 'partial_rotary_factor': 0.5} | "
            + "\"partial_rotary_factor\" is 0.5; expected 1: heads of this kind of model turn as a",
      })
  void wrongSettingsAreExplained(String rope, String expected) {
    ConfigJson json =
        ConfigJson.parse(
            "{\"hidden_size\": 24, \"num_attention_heads\": 4, \"rope_parameters\": "
                + rope.replace('\'', '"')
                + "}",
            Path.of("config.json"));
    String message = assertThrows(RuntimeException.class, () -> LlamaConfig.of(json)).getMessage();
    assertTrue(message.contains(expected.strip()), message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "{'rope_theta': 5000.0} | {'rope_type':'default','rope_theta':5000.0}",
        "{'rope_theta': 5000.0, 'rope_scaling': null} |"
            + " {'rope_type':'default','rope_theta':5000.0}",
        "{'rope_scaling': {'type': 'linear', 'factor': 2.0}}"
            + " | {'type':'linear','factor':2.0,'rope_type':'linear','rope_theta':10000.0}",
        "{'rope_theta': 20.0, 'rope_parameters': {'rope_theta': 30.0}}"
            + " | {'rope_theta':30.0,'rope_type':'default'}",
      })
  void olderFilesAreUnderstood(String given, String expected) {
    ConfigJson json = ConfigJson.parse(given.replace('\'', '"'), Path.of("config.json"));
    ConfigJson config = LlamaConfig.of(json).json();
    assertEquals(
        ConfigJson.parse(expected.replace('\'', '"'), Path.of("config.json")),
        config.findObject("rope_parameters").orElseThrow());
    assertEquals(
        Map.of(false, true),
        Map.of(config.keys().contains("rope_theta") || config.has("rope_scaling"), true));
  }
}
