package org.peftjava.peft.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;

/** The commands one after the other, each with what the one before wrote. */
class EndToEndTest {
  @TempDir static Path folder;
  private static TinyFolder tiny;

  @BeforeAll
  static void train() {
    tiny = new TinyFolder(folder);
    PeftProcess result =
        PeftProcess.ok(
            "train",
            "--model",
            tiny.base(),
            "--data",
            tiny.path("train.jsonl"),
            "--eval-data",
            tiny.path("eval.jsonl"),
            "--output",
            tiny.path("adapter"),
            "--lora-r",
            4,
            "--lora-alpha",
            16,
            "--target-modules",
            "q_proj,v_proj,fc1",
            "--learning-rate",
            0.05,
            "--max-steps",
            6,
            "--save-steps",
            3,
            "--logging-steps",
            2);
    // A: 4x32 and B: 32x4 twice, fc1 A: 4x32 and B: 64x4, in two layers.
    assertTrue(result.out().contains("trainable params: 1,792 ||"), result.out());
    assertTrue(result.out().contains("before training: eval loss"), result.out());
    assertTrue(result.err().contains("step 6/6  loss"), result.err());
  }

  @Test
  void theReportOfARunHoldsItsNumbers() throws IOException {
    JsonNode report = json("adapter/training.json");
    double before = report.path("eval_before").path("eval_loss").doubleValue();
    double after = report.path("eval_after").path("eval_loss").doubleValue();
    assertTrue(after < before - 0.1, before + " -> " + after);
    assertEquals(0.05, report.path("arguments").path("learning_rate").doubleValue());
    assertEquals(6, report.path("global_step").intValue());
    assertEquals(1792, report.path("trainable_parameters").intValue());
    assertEquals("train", report.path("command").path(0).textValue());
    assertTrue(report.path("train").path("train_tokens_per_second").doubleValue() > 0);
    assertTrue(report.path("train").path("train_peak_memory_bytes").doubleValue() > 1e7);
    assertFalse(report.path("machine").path("libtorch").textValue().isBlank());
    List<Integer> steps =
        StreamSupport.stream(report.path("log_history").spliterator(), false)
            .filter(line -> line.has("loss"))
            .map(line -> line.path("step").intValue())
            .toList();
    assertEquals(List.of(1, 2, 4, 6), steps);
    assertEquals(900, ImageIO.read(tiny.path("adapter/loss.png").toFile()).getWidth());
  }

  @Test
  void infoDescribesAdapterAndModelAndMachine() {
    String adapter = PeftProcess.ok("info", tiny.path("adapter")).out();
    assertTrue(adapter.matches("(?s).*kind +LORA adapter\\R.*"), adapter);
    assertTrue(adapter.matches("(?s).*base_model_name_or_path +\\S*base\\R.*"), adapter);
    assertTrue(adapter.matches("(?s).*parameters +1,792\\R.*device +libtorch 2.*"), adapter);
    String model = PeftProcess.ok("info", tiny.base()).out();
    assertTrue(model.matches("(?s).*kind +opt model\\R.*vocab_size +2048\\R.*"), model);
  }

  @Test
  void theMergedModelComputesAndSaysWhatTheAdaptedOneDoes() throws IOException {
    Path merged = tiny.path("merged");
    PeftProcess.ok("merge", "--adapter", tiny.path("adapter"), "--output", merged, "--safe-merge");
    assertTrue(Files.exists(merged.resolve("tokenizer.json")), "the folder is complete");
    Path ids = tiny.write("ids.json", "[[2, 45, 300, 7], [2, 1000, 8, 2047]]");
    float[] base = logits("--model", tiny.base(), ids);
    float[] adapted = logits("--adapter", tiny.path("adapter"), ids);
    assertArrayEquals(adapted, logits("--model", merged, ids), 1e-4f);
    assertNotEquals(base[100], adapted[100], 1e-3f);
    Object[] prompt = {"--prompt", "A wise man", "--max-new-tokens", 6};
    String text = generate("--adapter", tiny.path("adapter"), prompt);
    assertEquals(text, generate("--model", merged, prompt));
    assertTrue(text.startsWith("A wise man"), text);
  }

  @Test
  void samplingIsRepeatableAndReadsThePromptFromAFile() throws IOException {
    Path file = tiny.write("prompt.txt", "Honey is\n");
    Object[] options = {
      "--prompt-file",
      file,
      "--do-sample",
      "--temperature",
      1.5,
      "--top-k",
      50,
      "--top-p",
      0.95,
      "--seed",
      7,
      "--max-new-tokens",
      8
    };
    String first = generate("--model", tiny.base(), options);
    assertEquals(first, generate("--model", tiny.base(), options));
    assertTrue(first.startsWith("Honey is"), first);
  }

  @Test
  void maskedRowsOfASafetensorsFileGiveTheLogitsOfTheRowsAlone() {
    Path padded = tiny.path("padded.safetensors");
    try (TensorScope scope = TensorScope.open("ids")) {
      Safetensors.write(
          padded,
          Map.of(
              "input_ids", Creation.ofLongs(new long[][] {{1, 1, 2, 45}}),
              "attention_mask", Creation.ofLongs(new long[][] {{0, 0, 1, 1}})),
          Map.of());
    }
    Path alone = tiny.write("alone.json", "[[2, 45]]");
    float[] masked = logits("--model", tiny.base(), padded);
    float[] plain = logits("--model", tiny.base(), alone);
    assertEquals(4 * 2048, masked.length);
    assertArrayEquals(plain, Arrays.copyOfRange(masked, 2 * 2048, masked.length), 1e-4f);
  }

  @Test
  void aResumedRunGoesOnFromItsCheckpoint() throws IOException {
    Object[] args = {
      "train",
      "--model",
      tiny.base(),
      "--data",
      tiny.path("train.jsonl"),
      "--output",
      tiny.path("resumed"),
      "--save-steps",
      2,
      "--logging-steps",
      1,
      "--max-steps",
      4
    };
    PeftProcess.ok(args);
    byte[] whole = Files.readAllBytes(tiny.path("resumed/adapter_model.safetensors"));
    PeftProcess again =
        PeftProcess.ok(
            Stream.concat(
                    Arrays.stream(args), Stream.of("--resume", tiny.path("resumed/checkpoint-2")))
                .toArray());
    assertFalse(again.err().contains("step 2/4"), again.err());
    assertTrue(again.err().contains("step 3/4"), again.err());
    assertArrayEquals(whole, Files.readAllBytes(tiny.path("resumed/adapter_model.safetensors")));
  }

  @Test
  void theDemonstrationRunsToItsEnd() throws IOException {
    Path output = tiny.path("demo");
    String text =
        PeftProcess.ok("demo", "--output", output, "--base", tiny.base(), "--max-steps", 2).out();
    assertTrue(text.contains("1626 proverbs to learn, 180 to evaluate on"), text);
    assertTrue(text.contains("reloaded adapter: eval loss"), text);
    assertTrue(text.contains("merged model: eval loss"), text);
    assertTrue(text.contains("peft generate --adapter " + output.resolve("adapter")), text);
    assertTrue(Files.exists(output.resolve("merged/model.safetensors")));
    assertTrue(Files.exists(output.resolve("adapter/training.json")));
  }

  @Test
  void theSelfCheckTrainsOneStep() {
    String text = PeftProcess.ok("selfcheck").out();
    double loss = Double.parseDouble(text.strip().replace("loss ", ""));
    assertEquals(Math.log(1000), loss, 0.3); // nothing learned: about the log of the vocabulary
  }

  private static String generate(String kind, Path model, Object... options) {
    Object[] args = new Object[options.length + 3];
    args[0] = "generate";
    args[1] = kind;
    args[2] = model;
    System.arraycopy(options, 0, args, 3, options.length);
    return PeftProcess.ok(args).out();
  }

  private static float[] logits(String kind, Path model, Path ids) {
    Path output = tiny.path("logits.safetensors");
    PeftProcess.ok("logits", kind, model, "--input-ids", ids, "--output", output);
    try (TensorScope scope = TensorScope.open("logits");
        WeightSource source = Safetensors.open(output)) {
      Tensor tensor = source.tensor("logits");
      return tensor.toFloats();
    }
  }

  private static JsonNode json(String name) throws IOException {
    return new ObjectMapper().readTree(Files.readString(tiny.path(name), StandardCharsets.UTF_8));
  }
}
