package org.peftjava.transformers.generation;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.peftjava.torch.TensorLedger;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Guessed tokens, and contrastive search of an encoder-decoder, against transformers. */
class AssistedGoldenTest {
  private static final JsonNode GOLDEN = Goldens.json("assisted");
  private static CausalLM opt;
  private static CausalLM optAssistant;
  private static Seq2SeqLM t5;
  private static Seq2SeqLM t5Assistant;

  @BeforeAll
  static void load() {
    Path folder = Goldens.folder("assisted");
    opt = AutoModelForCausalLM.fromPretrained(Goldens.folder("generation").resolve("base"));
    optAssistant = AutoModelForCausalLM.fromPretrained(folder.resolve("opt_assistant"));
    t5 = AutoModelForSeq2SeqLM.fromPretrained(Goldens.folder("t5_v10").resolve("model"));
    t5Assistant = AutoModelForSeq2SeqLM.fromPretrained(folder.resolve("t5_assistant"));
  }

  @AfterAll
  static void close() {
    List.of(opt, optAssistant).forEach(CausalLM::close);
    List.of(t5, t5Assistant).forEach(Seq2SeqLM::close);
  }

  @TestFactory
  List<DynamicTest> idsEqualPythons() {
    List<DynamicTest> tests = new ArrayList<>();
    for (JsonNode row : GOLDEN.get("rows")) {
      tests.add(DynamicTest.dynamicTest(row.toString(), () -> check(row)));
    }
    assertEquals(246, tests.size());
    return tests;
  }

  private static void check(JsonNode row) {
    long before = TensorLedger.liveTensors();
    boolean decoder = row.get("kind").asText().equals("opt");
    GenerationMixin model = decoder ? opt : t5;
    GenerateOptions.Builder options = GenerateOptions.builder();
    if (row.has("assistant")) {
      GenerationConfig own =
          GenerationConfig.of(json(optAssistant.generationConfig().json(), row.get("assistant")));
      optAssistant.generationConfig(own);
      t5Assistant.generationConfig(own.toBuilder().decoderStartTokenId(0).build());
      options.assistantModel(decoder ? optAssistant : t5Assistant);
    }
    GenerationConfig config =
        GenerationConfig.of(json(model.generationConfig().json(), row.get("settings")));
    GenerateOutput output =
        new Generator(model.decoderModel(), config, options.build())
            .generate(prompt(row.get("kind").asText(), row.get("prompt").asInt()));
    assertArrayEquals(longs(row.get("ids").get(0)), output.sequences().get(0));
    assertEquals(before, TensorLedger.liveTensors());
  }

  private static ConfigJson json(ConfigJson base, JsonNode changes) {
    ConfigJson[] result = {base};
    for (String key :
        List.of(
            "num_assistant_tokens",
            "num_assistant_tokens_schedule",
            "assistant_confidence_threshold")) {
      result[0] = result[0].without(key);
    }
    changes.fields().forEachRemaining(e -> result[0] = result[0].with(e.getKey(), e.getValue()));
    return result[0];
  }

  private static TokenBatch prompt(String kind, int index) {
    long[][] ids = {longs(GOLDEN.get(kind).get(index))};
    return kind.equals("opt")
        ? TokenBatch.of(ids, new long[][] {longs(GOLDEN.get("opt_mask").get(index))})
        : TokenBatch.of(ids);
  }

  private static long[] longs(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToLong(JsonNode::asLong).toArray();
  }

  /** Each token is drawn once, whether it was guessed or not, so that a seed draws the same. */
  @Test
  void samplingDrawsTheSameText() {
    optAssistant.generationConfig(
        GenerationConfig.builder().numAssistantTokens(3).assistantConfidenceThreshold(0).build());
    Consumer<GenerationConfig.Builder> settings =
        g -> g.doSample(true).temperature(0.4).seed(11).maxNewTokens(14).eosTokenId();
    TokenBatch prompt = prompt("opt", 2);
    long[][] plain = opt.generate(prompt, settings).ids();
    GenerateOptions guessing = GenerateOptions.builder().assistantModel(optAssistant).build();
    assertArrayEquals(plain, opt.generate(prompt, settings, guessing).ids());
    assertArrayEquals(
        plain, opt.generate(prompt, settings.andThen(g -> g.promptLookupNumTokens(4))).ids());
  }

  @Test
  void guessesSaveWorkAndStreamsHearOfEveryToken() {
    optAssistant.generationConfig(
        GenerationConfig.builder().numAssistantTokens(4).assistantConfidenceThreshold(0).build());
    CountingModel counting = new CountingModel(opt.decoderModel());
    List<Long> heard = new ArrayList<>();
    GenerationConfig config =
        GenerationConfig.builder()
            .maxNewTokens(14)
            .outputScores(true)
            .outputLogits(true)
            .prefillChunkSize(2)
            .build();
    GenerateOutput output =
        new Generator(
                counting,
                config,
                GenerateOptions.builder()
                    .assistantModel(opt)
                    .streamer(tokens -> heard.add(tokens[0]))
                    .build())
            .generate(prompt("opt", 2));
    long[] row = output.sequences().get(0);
    assertEquals(20, row.length);
    assertEquals(14, output.scores().size());
    assertEquals(14, output.logits().size());
    assertArrayEquals(
        Arrays.copyOfRange(row, 6, 20), heard.stream().mapToLong(token -> token).toArray());
    assertTrue(counting.passes < 10, () -> "passes: " + counting.passes);
  }

  @Test
  void aListenerStopsBetweenGuesses() {
    int[] count = {0};
    GenerateOptions options =
        GenerateOptions.builder().assistantModel(opt).streamer(tokens -> ++count[0] < 3).build();
    assertEquals(9, opt.generate(prompt("opt", 2), g -> g.maxNewTokens(14), options).get(0).length);
  }

  @Test
  void whatGuessesCannotDoIsExplained() {
    TokenBatch two = TokenBatch.of(new long[][] {{2, 5}, {2, 6}});
    TokenBatch one = prompt("opt", 2);
    assertProblem("guess the tokens of one row", two, opt, g -> g.promptLookupNumTokens(3));
    assertProblem("num_beams 2", one, opt, g -> g.promptLookupNumTokens(3).numBeams(2));
    assertProblem(
        "Set use_cache to true", one, opt, g -> g.promptLookupNumTokens(3).useCache(false));
    assertProblem("prompt_lookup_num_tokens is 0", one, opt, g -> g.promptLookupNumTokens(0));
    assertProblem(
        "num_assistant_tokens_schedule is fast. Expected one of [constant",
        one,
        opt,
        g -> g.numAssistantTokensSchedule("fast"));
    GenerateOptions other = GenerateOptions.builder().assistantModel(t5).build();
    assertTrue(
        assertThrows(IllegalArgumentException.class, () -> opt.generate(one, g -> {}, other))
            .getMessage()
            .contains("is an encoder-decoder, but the model is none"));
  }

  private static void assertProblem(
      String part, TokenBatch batch, CausalLM model, Consumer<GenerationConfig.Builder> settings) {
    String message =
        assertThrows(IllegalArgumentException.class, () -> model.generate(batch, settings))
            .getMessage();
    assertTrue(message.contains(part), message);
  }
}
