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

  @Test
  void wrongUsage() {
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
