package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoConfig;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.config.ConfigJson;

/**
 * Models that were made, quantized and saved here, read again: here, and by a Python script with
 * the arithmetic of bitsandbytes and the dense layers of transformers.
 *
 * <p>Python is not needed to run this. {@code -Dinterop.quantized=<folder>} keeps the folder for
 * check_quantized.py; what that script said is recorded in src/test/resources/interop.
 */
@ExtendWith(NoLeaks.class)
class QuantizedInteropIT {
  private static final Path RECORDED = Path.of("src/test/resources/interop/quantized.txt");
  private static final long[][] IDS = {{5, 6, 17, 8, 29, 31, 9}, {5, 9, 33, 4, 11, 39, 2}};

  private static final Map<String, BitsAndBytesConfig.Builder> FORMATS =
      Map.of(
          "nf4", fourBit(QuantType.NF4),
          "nf4_dq", fourBit(QuantType.NF4).bnb4bitUseDoubleQuant(true),
          "nf4_dq_bfloat16_storage",
              fourBit(QuantType.NF4)
                  .bnb4bitUseDoubleQuant(true)
                  .bnb4bitQuantStorage(DType.BFLOAT16),
          "fp4", fourBit(QuantType.FP4),
          "fp4_dq", fourBit(QuantType.FP4).bnb4bitUseDoubleQuant(true),
          "int8", BitsAndBytesConfig.builder().loadIn8bit(true));

  private static BitsAndBytesConfig.Builder fourBit(QuantType type) {
    return BitsAndBytesConfig.builder()
        .loadIn4bit(true)
        .bnb4bitQuantType(type)
        .bnb4bitComputeDtype(DType.FLOAT32);
  }

  static List<String> names() {
    return FORMATS.keySet().stream()
        .flatMap(format -> List.of("llama-" + format, "opt-" + format).stream())
        .sorted()
        .toList();
  }

  @ParameterizedTest
  @MethodSource("names")
  void whatJavaWritesJavaReads(String name, @TempDir Path temporary) {
    String kept = System.getProperty("interop.quantized");
    Path folder = kept == null ? temporary : Path.of(kept).toAbsolutePath().resolve(name);
    String architecture = name.substring(0, name.indexOf('-'));
    BitsAndBytesConfig format = FORMATS.get(name.substring(name.indexOf('-') + 1)).build();
    try (TensorScope scope = TensorScope.open(name);
        GradMode off = GradMode.noGrad()) {
      write(architecture, folder.resolve("dense"));
      Tensor written;
      try (CausalLM model =
          AutoModelForCausalLM.fromPretrained(
              folder.resolve("dense"), options -> options.quantizationConfig(format))) {
        written = logits(model);
        model.savePretrained(folder.resolve("packed"));
      }
      Safetensors.write(
          folder.resolve("expected.safetensors"),
          Map.of("input_ids", Creation.ofLongs(IDS), "logits", written),
          Map.of());
      try (CausalLM read = AutoModelForCausalLM.fromPretrained(folder.resolve("packed"))) {
        Golden.assertClose(written, logits(read), 0, name);
      }
    }
  }

  /** A model with layers of more than 256 blocks, whose scales are quantized in two blocks. */
  private static void write(String architecture, Path folder) {
    Randomness.manualSeed(6);
    ConfigJson small =
        ConfigJson.read(Golden.ROOT.resolve(architecture + "_lora").resolve("base/config.json"));
    ConfigJson larger =
        architecture.equals("opt")
            ? small.with("word_embed_proj_dim", 64).with("ffn_dim", 320)
            : small.with("head_dim", 16).with("intermediate_size", 320);
    try (CausalLM model =
        AutoModelForCausalLM.fromConfig(
            AutoConfig.of(larger.with("hidden_size", 64)), DType.FLOAT32)) {
      model
          .namedParameters()
          .values()
          .forEach(
              parameter -> {
                Tensor values = parameter.tensor();
                long[] sizes = values.shape().toArray();
                values.addInPlace(Creation.randn(DType.FLOAT32, sizes).to(values.device()), 0.1);
              });
      model.savePretrained(folder);
    }
  }

  /** In training mode: otherwise 8-bit layers round what they are given too. */
  private static Tensor logits(CausalLM model) {
    model.train(true);
    return model
        .forward(ModelInput.builder().inputIds(Creation.ofLongs(IDS)).build())
        .logits()
        .orElseThrow();
  }

  @Test
  void pythonFoundNothingWrong() throws IOException {
    List<String> lines = Files.readAllLines(RECORDED);
    for (String line : lines) {
      assertTrue(line.startsWith("ok  "), line);
    }
    assertEquals(names(), lines.stream().map(line -> line.split(" +", 3)[1]).toList());
  }
}
