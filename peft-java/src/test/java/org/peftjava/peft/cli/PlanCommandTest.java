package org.peftjava.peft.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Plans for Llama-2-7B, of which only config.json is there. */
class PlanCommandTest {
  /** Linear weights of Llama-2-7B's layers. */
  private static final double QUANTIZED = 32 * (4.0 * 4096 * 4096 + 3.0 * 4096 * 11008);

  @TempDir static Path folder;

  @BeforeAll
  static void config() throws IOException {
    Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"llama\"}");
  }

  @Test
  void theWeightsOfNf4Take516BytesAThousand() throws IOException {
    JsonNode plan = qlora("--card", "24GB", "--gradient-checkpointing", "--optim", "adamw_8bit");
    double weights = plan.path("parts").path("weights").doubleValue();
    assertEquals(0.515869, weights / QUANTIZED, 1e-5);
    assertEquals(39_976_960, plan.path("trained_parameters").longValue());
    // Token embedding and head of 32,000 rows, and 65 norms, in bfloat16.
    double embeddings = 2.0 * (2 * 32_000 * 4096 + 65 * 4096);
    assertEquals(embeddings, plan.path("parts").path("embeddings and head").doubleValue());
    assertTrue(plan.path("fits").booleanValue(), plan::toString);
    assertTrue(plan.path("total").doubleValue() < 5.6e9, plan::toString);
    JsonNode variant = plan.path("variants").path(0);
    assertTrue(variant.path("longest_sequence").intValue() > 30_000, plan::toString);
    assertTrue(variant.path("largest_batch").intValue() > 15, plan::toString);
  }

  /** Matrices of 16 x 11,008 have the 100,000 numbers that are paged, those of 16 x 4,096 not. */
  @Test
  void statesOfPagedOptimizersMayLeaveTheCard() throws IOException {
    long paged = 32 * 3 * 16 * 11_008;
    assertEquals(2 * paged, pageable("--optim", "paged_adamw_8bit"));
    assertEquals(8 * paged, pageable("--optim", "paged_adamw_32bit"));
    assertEquals(0, pageable("--optim", "adamw_8bit"));
    assertEquals(0, pageable("--optim", "paged_adamw_8bit", "--device", "cpu"));
    String optim = "paged_adamw_8bit";
    String text = PeftProcess.ok("plan", "--model", folder, "--optim", optim, "--lora-r", 64).out();
    assertTrue(text.matches("(?s).*of it, may leave a full card +0\\.067 GB\\R.*"), text);
  }

  private static long pageable(Object... more) throws IOException {
    return qlora(more).path("pageable").longValue();
  }

  @Test
  void whatDoesNotFitIsToldWhatToSwitchOn() {
    String text =
        PeftProcess.ok("plan", "--model", folder, "--card", "8GB", "--target-modules", "all-linear")
            .out();
    assertTrue(text.contains("8GB: does not fit as asked for"), text);
    assertTrue(text.contains("also --gradient-checkpointing --optim adamw_8bit --load-in-4"), text);
    assertTrue(text.matches("(?s).*weights +12\\.952 GB\\R.*"), text);
  }

  @Test
  void aCardSmallerThanItsOwnContextFitsNothing() {
    String text = PeftProcess.ok("plan", "--model", folder, "--card", "500MB").out();
    assertTrue(text.contains("500MB: does not fit as asked for"), text);
    assertTrue(text.matches("(?s).* 0 +0 +what was asked for\\R.*"), text);
  }

  @Test
  void withoutACardThePartsAreListed() {
    String text = PeftProcess.ok("plan", "--model", folder, "--seq", 512).out();
    assertTrue(text.contains("total with a card's context"), text);
    assertFalse(text.contains("longest"), text);
  }

  /** There are 2048 learned positions, however large the card. */
  @Test
  void theLongestSequenceIsNoLongerThanTheModelHasPositions(@TempDir Path opt) throws IOException {
    JsonNode plan = plan(opt, "{\"model_type\": \"opt\"}", "--card", "80GB");
    assertEquals("[2048]", longest(plan), plan::toString);
    JsonNode bert = plan(opt, "{\"model_type\": \"bert\"}", "--card", "80GB", "--seq", 512);
    assertEquals("[512]", longest(bert), bert::toString);
    assertTrue(bert.path("variants").path(0).path("largest_batch").intValue() > 20);
  }

  private static String longest(JsonNode plan) {
    return plan.path("variants").findValuesAsText("longest_sequence").stream()
        .distinct()
        .toList()
        .toString();
  }

  /** Query and value of 12 layers, and a classifier for two labels that is trained wholly. */
  @Test
  void encodersJudgeTexts(@TempDir Path bert) throws IOException {
    JsonNode plan = plan(bert, "{\"model_type\": \"bert\"}", "--seq", 512);
    long lora = 12 * 2 * 8 * (768 + 768);
    assertEquals(lora + 2 * 768 + 2, plan.path("trained_parameters").longValue());
    double linear = 12.0 * (4 * 768 * 768 + 2 * 768 * 3072) + 768 * 768; // the pooler is the last
    assertEquals(2 * linear, plan.path("parts").path("weights").doubleValue());
    long labels = plan.path("parts").path("loss").longValue();
    assertEquals(2 * 512 * 768, labels, "no logits of a vocabulary");
    JsonNode tokens = plan(bert, "{\"model_type\": \"bert\"}", "--task-type", "token_cls");
    assertEquals(lora + 2 * 768 + 2, tokens.path("trained_parameters").longValue());
  }

  /** Decoders keep keys and values of the encoder's tokens, and of as many as they write. */
  @Test
  void encoderDecodersHaveTwoLengths(@TempDir Path t5) throws IOException {
    String config = "{\"model_type\": \"t5\", \"dropout_rate\": 0.0}";
    JsonNode whole = plan(t5, config, "--seq", 512);
    JsonNode half = plan(t5, config, "--seq", 512, "--target-seq", 256);
    assertEquals(6 * 3 * 2 * 8 * 1024, whole.path("trained_parameters").longValue());
    double linear = 6.0 * (12 * 512 * 512 + 4 * 512 * 2048);
    assertEquals(2 * linear, whole.path("parts").path("weights").doubleValue());
    double saved = activations(whole) - activations(half);
    assertTrue(saved > 0.2 * activations(whole) && saved < 0.4 * activations(whole), "" + saved);
  }

  /** Twice as long is four times as much where scores are kept for their bound. */
  @Test
  void boundedScoresGrowWithTheSquare(@TempDir Path gemma) throws IOException {
    double once = activations(plan(gemma, "{\"model_type\": \"gemma2\"}", "--seq", 8192));
    double twice = activations(plan(gemma, "{\"model_type\": \"gemma2\"}", "--seq", 16384));
    assertTrue(twice > 3.5 * once, () -> once + " and " + twice);
  }

  private static double activations(JsonNode plan) {
    return plan.path("parts").path("activations").doubleValue();
  }

  private static JsonNode plan(Path folder, String config, Object... more) throws IOException {
    Files.writeString(folder.resolve("config.json"), config);
    Object[] all =
        Arrays.copyOf(new Object[] {"plan", "--model", folder, "--json"}, 4 + more.length);
    System.arraycopy(more, 0, all, 4, more.length);
    return new ObjectMapper().readTree(PeftProcess.ok(all).out());
  }

  @Test
  void wrongUsage() {
    fails("'--optim': expected one of [adamw_torch, adamw_8bit, ", "--optim", "adam");
    fails("device is meta. Expected cpu or cuda", "--device", "meta");
    fails("Expected at least 1 row", "--target-seq", 0);
    fails("--card is \"24\"", "--card", "24");
    fails("Expected at least 1 row", "--batch", 0);
    fails("give --load-in-4bit", "--bnb-4bit-quant-type", "nf4");
    fails("int7", "--dtype", "int7");
    fails("[q_porj]", "--target-modules", "q_porj");
  }

  private static void fails(String message, Object option, Object value) {
    PeftProcess result = PeftProcess.run("plan", "--model", folder, option, value);
    assertEquals(ExitCode.USAGE, result.exitCode(), result.toString());
    assertTrue(result.err().contains(message), result.err());
  }

  private static JsonNode qlora(Object... more) throws IOException {
    Object[] args = {
      "plan",
      "--model",
      folder,
      "--json",
      "--seq",
      2048,
      "--lora-r",
      16,
      "--target-modules",
      "all-linear",
      "--load-in-4bit",
      "--bnb-4bit-quant-type",
      "nf4",
      "--bnb-4bit-use-double-quant",
      "--bnb-4bit-compute-dtype",
      "bfloat16"
    };
    Object[] all = Arrays.copyOf(args, args.length + more.length);
    System.arraycopy(more, 0, all, args.length, more.length);
    return new ObjectMapper().readTree(PeftProcess.ok(all).out());
  }
}
