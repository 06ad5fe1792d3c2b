package org.peftjava.transformers.generation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.config.ConfigJson;

class GenerationConfigTest {
  private static final Path FILE = Path.of("generation_config.json");

  @Test
  void readsPythonsNames() {
    GenerationConfig config =
        read(
            "{\"max_new_tokens\": 7, \"max_length\": 90, \"do_sample\": true, \"temperature\": 0.6,"
                + " \"top_k\": 9, \"top_p\": 0.8, \"min_p\": 0.1, \"repetition_penalty\": 1.3,"
                + " \"eos_token_id\": [2, 3], \"pad_token_id\": 1, \"min_new_tokens\": 4,"
                + " \"use_cache\": false}");

    assertEquals(OptionalInt.of(7), config.maxNewTokens());
    assertEquals(OptionalInt.of(90), config.maxLength());
    assertEquals(4, config.minNewTokens());
    assertEquals(0.6, config.temperature());
    assertEquals(9, config.topK());
    assertEquals(0.8, config.topP());
    assertEquals(0.1, config.minP());
    assertEquals(1.3, config.repetitionPenalty());
    assertEquals(List.of(2L, 3L), config.eosTokenIds());
    assertEquals(OptionalLong.of(1), config.padTokenId());
    assertTrue(config.doSample());
    assertEquals(false, config.useCache());
    assertEquals(config, config.toBuilder().build());
  }

  @Test
  void writesWhatWasReadAndWhatHasChanged() {
    ConfigJson json =
        ConfigJson.parse(
            "{\"_from_model_config\": true, \"eos_token_id\": 2, \"num_beams\": 1}", FILE);
    GenerationConfig config = GenerationConfig.of(json);
    assertEquals(json, config.json());

    ConfigJson changed = config.toBuilder().topK(7).eosTokenId(4, 5).build().json();
    assertEquals(7, changed.getInt("top_k"));
    assertEquals(List.of(4L, 5L), changed.getLongs("eos_token_id"));
    assertEquals(1, changed.getInt("num_beams"));
    assertEquals(
        List.of("eos_token_id", "num_beams", "top_k"), changed.keys().stream().sorted().toList());
    assertEquals(false, config.toBuilder().eosTokenId().build().json().has("eos_token_id"));
  }

  @Test
  void wrongValuesAreExplained() {
    String message =
        assertThrows(
                IllegalArgumentException.class, () -> read("{\"top_p\": 1.5, \"do_sample\": true}"))
            .getMessage();
    assertEquals("top_p is 1.5. Expected a number from 0 to 1.", message);
  }

  @Test
  void settingsThatContradictEachOtherAreExplained() {
    refused("{\"num_return_sequences\": 2}", "without sampling and beams there is one");
    refused("{\"num_beams\": 2, \"num_return_sequences\": 3}", "only 2 beams");
    refused("{\"num_beams\": 4, \"num_beam_groups\": 3}", "a divisor of num_beams, which is 4");
    refused("{\"num_beams\": 4, \"num_beam_groups\": 2}", "diversity_penalty is 0.0");
    refused("{\"suppress_tokens\": [3, 4], \"forced_eos_token_id\": 4}", "none is left");
    refused("{\"early_stopping\": \"soon\"}", "expected true, false or \"never\"");
    refused("{\"bad_words_ids\": [[]]}", "at least one token id");
    refused("{\"bad_words_ids\": [3]}", "at least one token id");
    refused("{\"sequence_bias\": [[3, 1.0]]}", "at least one token id");
    refused("{\"sequence_bias\": [[[3]]]}", "[[token ids], number]");
    refused("{\"top_k\": \"many\", \"do_sample\": true}", "expected a whole number");
    refused("{\"stop_strings\": [\"\"]}", "at least one character");
    refused("{\"exponential_decay_length_penalty\": 3}", "[number of tokens, factor]");
    refused("{\"temperature\": 0, \"do_sample\": true}", "for the likeliest token");
  }

  @Test
  void filesWithSettingsOfSamplingThatIsOffAreRead() {
    GenerationConfig config = read("{\"temperature\": 0, \"top_p\": 0, \"top_k\": -1}");
    assertEquals(0, config.temperature());
    assertEquals(-1, config.topK());
  }

  @Test
  void listsAndPairsSurviveTheFile() {
    GenerationConfig config =
        GenerationConfig.builder()
            .badWordsIds(List.of(List.of(3L), List.of(4L, 5L)))
            .sequenceBias(List.of(new SequenceBias(List.of(7L, 8L), -2.5)))
            .exponentialDecayLengthPenalty(4, 1.2)
            .earlyStopping(EarlyStopping.NEVER)
            .stopStrings("a", "b")
            .suppressTokens(5, 6)
            .build();
    GenerationConfig again = read(config.json().toJson());
    assertEquals(List.of(List.of(3L), List.of(4L, 5L)), again.badWordsIds());
    assertEquals(List.of(new SequenceBias(List.of(7L, 8L), -2.5)), again.sequenceBias());
    assertEquals(new ExponentialDecay(4, 1.2), again.exponentialDecayLengthPenalty().orElseThrow());
    assertEquals(EarlyStopping.NEVER, again.earlyStopping());
    assertEquals(List.of("a", "b"), again.stopStrings());
    assertEquals(List.of(5L, 6L), again.suppressTokens());
  }

  /** Each setting of transformers acts, is refused, or is said to have no effect. */
  @Test
  void noSettingIsSilentlyIgnored() throws IOException {
    List<String> acting =
        Arrays.stream(GenerationConfig.Builder.class.getMethods()).map(Method::getName).toList();
    List<String> names = new ArrayList<>();
    new ObjectMapper()
        .readTree(Goldens.folder("generation_fields.json").toFile())
        .get("fields")
        .fieldNames()
        .forEachRemaining(names::add);
    assertTrue(names.size() > 65, names.toString());
    names.remove("transformers_version");
    for (String name : names) {
      assertTrue(GenerationSettings.isSetting(name), name);
      boolean acts = acting.contains(camelCase(name));
      boolean warns = GenerationSettings.warnsOf(name);
      boolean refused = !acts && !warns;
      if (refused) {
        String message =
            assertThrows(
                    UnsupportedOperationException.class,
                    () -> GenerationChecks.supported(json("{\"" + name + "\": 7}")),
                    name)
                .getMessage();
        assertTrue(message.contains(name + " is 7") && message.contains("Remove"), message);
      }
      assertTrue(acts ^ warns ^ refused, name);
    }
  }

  private static String camelCase(String name) {
    return Pattern.compile("_(.)")
        .matcher(name)
        .replaceAll(m -> m.group(1).toUpperCase(Locale.ROOT));
  }

  private static ConfigJson json(String text) {
    return ConfigJson.parse(text, FILE);
  }

  private static void refused(String text, String part) {
    String message = assertThrows(RuntimeException.class, () -> read(text)).getMessage();
    assertTrue(message.contains(part), message);
  }

  private static GenerationConfig read(String text) {
    return GenerationConfig.of(json(text)).toBuilder().build();
  }

  @Test
  void settingsOfAFileGoOverThoseOfTheModel(@TempDir Path folder) {
    GenerationConfig file = GenerationConfig.builder().maxNewTokens(5).numBeams(2).seed(7).build();
    file.savePretrained(folder);
    GenerationConfig read = GenerationConfig.fromPretrained(folder.toString());
    assertEquals(file.json(), read.json());
    assertEquals(OptionalLong.empty(), read.seed());
    GenerationConfig model =
        GenerationConfig.of(
            ConfigJson.parse(
                "{\"num_beams\": 4, \"length_penalty\": 0.5, \"_from_model_config\": true}",
                Path.of("model")));
    GenerationConfig both = model.toBuilder().update(file).build();
    assertEquals(2, both.numBeams());
    assertEquals(0.5, both.lengthPenalty());
    assertEquals(OptionalInt.of(5), both.maxNewTokens());
    assertEquals(OptionalLong.of(7), both.seed());
    assertEquals(
        OptionalLong.of(7), both.toBuilder().update(read).build().seed(), "a file has no seed");
  }
}
