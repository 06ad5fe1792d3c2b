package org.peftjava.peft.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
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
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.DType;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;

/** The commands over 4- and 8-bit weights. */
class QuantizedCommandsTest {
  private static final List<Object> NF4 =
      List.of(
          "--load-in-4bit",
          "--bnb-4bit-quant-type",
          "nf4",
          "--bnb-4bit-use-double-quant",
          "--bnb-4bit-compute-dtype",
          "float32");

  @TempDir static Path folder;
  private static TinyFolder tiny;

  @BeforeAll
  static void train() throws IOException {
    tiny = new TinyFolder(folder);
    tiny.write("ids.json", "[[2, 45, 300, 7], [2, 1000, 8, 2047]]");
    train("four", Stream.concat(NF4.stream(), Stream.of("--gradient-checkpointing")));
    train("eight", Stream.of("--load-in-8bit", "--bf16"));
  }

  private static void train(String output, Stream<?> options) throws IOException {
    Stream<?> args =
        Stream.of(
            "train",
            "--model",
            tiny.base(),
            "--data",
            tiny.path("train.jsonl"),
            "--eval-data",
            tiny.path("eval.jsonl"),
            "--output",
            tiny.path(output),
            "--lora-r",
            4,
            "--lora-alpha",
            16,
            "--target-modules",
            "q_proj,v_proj,fc1",
            "--learning-rate",
            0.05,
            "--optim",
            "adamw_8bit",
            "--max-steps",
            6);
    PeftProcess.ok(Stream.concat(args, options).toArray());
    JsonNode report = json(output + "/training.json");
    double before = report.path("eval_before").path("eval_loss").doubleValue();
    double after = report.path("eval_after").path("eval_loss").doubleValue();
    assertTrue(after < before - 0.1, before + " -> " + after);
    assertEquals("ADAMW_8BIT", report.path("arguments").path("optim").textValue());
  }

  @Test
  void adaptersAreTrainedOverQuantizedWeightsAndLoadedOverThem() throws IOException {
    float[] base = logits(NF4.stream(), "--model", tiny.base());
    float[] adapted = logits(NF4.stream(), "--adapter", tiny.path("four"));
    assertNotEquals(base[100], adapted[100], 1e-3f);
    float[] dense = logits(Stream.of(), "--adapter", tiny.path("four"));
    assertNotEquals(dense[100], adapted[100], 1e-4f);
  }

  @Test
  void mergingIntoQuantizedWeightsWritesAQuantizedModel() throws IOException {
    Path merged = tiny.path("merged4");
    merge(merged, NF4.stream());
    JsonNode config = json("merged4/config.json").path("quantization_config");
    assertEquals("nf4", config.path("bnb_4bit_quant_type").textValue());
    assertEquals(DType.UINT8, dtype(merged));
    // A quantized folder says itself how it is loaded; options may only agree.
    assertArrayEquals(
        logits(Stream.of(), "--model", merged), logits(NF4.stream(), "--model", merged));
  }

  @Test
  void mergingAfterDequantizingWritesADenseModelThatComputesAsTheAdaptedOne() throws IOException {
    Path merged = tiny.path("dense");
    merge(merged, Stream.concat(NF4.stream(), Stream.of("--dequantize")));
    assertTrue(json("dense/config.json").path("quantization_config").isMissingNode());
    assertEquals(DType.FLOAT32, dtype(merged));
    float[] adapted = logits(NF4.stream(), "--adapter", tiny.path("four"));
    assertArrayEquals(adapted, logits(Stream.of(), "--model", merged), 1e-4f);
  }

  @Test
  void generationFromInt8Weights() {
    String text =
        PeftProcess.ok(
                "generate",
                "--adapter",
                tiny.path("eight"),
                "--load-in-8bit",
                "--prompt",
                "Honey is",
                "--max-new-tokens",
                4)
            .out();
    assertTrue(text.startsWith("Honey is"), text);
  }

  @Test
  void quantizedWeightsAreNotTrained() {
    Path output = tiny.path("o");
    Object[] full = {
      "train",
      "--model",
      tiny.base(),
      "--data",
      tiny.path("train.jsonl"),
      "--output",
      output,
      "--full"
    };
    fails("the model's are quantized", with(full, "--load-in-8bit"));
    fails("exclude each other", with(full, "--load-in-8bit", "--load-in-4bit"));
    fails(
        "--config starts a new model",
        "train",
        "--config",
        tiny.path("config.json"),
        "--full",
        "--tokenizer",
        tiny.base(),
        "--data",
        tiny.path("train.jsonl"),
        "--output",
        output,
        "--load-in-4bit");
  }

  private static void fails(String message, Object... args) {
    PeftProcess result = PeftProcess.run(args);
    assertEquals(ExitCode.USAGE, result.exitCode(), result.toString());
    assertTrue(result.err().contains(message), result.err());
  }

  private static Object[] with(Object[] args, Object... more) {
    return Stream.concat(Arrays.stream(args), Arrays.stream(more)).toArray();
  }

  private static void merge(Path output, Stream<?> options) {
    Stream<?> args = Stream.of("merge", "--adapter", tiny.path("four"), "--output", output);
    PeftProcess.ok(Stream.concat(args, options).toArray());
  }

  private static DType dtype(Path model) {
    try (WeightSource source = Safetensors.open(model.resolve("model.safetensors"))) {
      return source.dtype("model.decoder.layers.0.fc1.weight");
    }
  }

  private static float[] logits(Stream<?> options, String kind, Path model) {
    Path output = tiny.path("logits.safetensors");
    Stream<?> args =
        Stream.of("logits", kind, model, "--input-ids", tiny.path("ids.json"), "--output", output);
    PeftProcess.ok(Stream.concat(args, options).toArray());
    try (TensorScope scope = TensorScope.open("logits");
        WeightSource source = Safetensors.open(output)) {
      return source.tensor("logits").toFloats();
    }
  }

  private static JsonNode json(String name) throws IOException {
    return new ObjectMapper().readTree(Files.readString(tiny.path(name), StandardCharsets.UTF_8));
  }
}
