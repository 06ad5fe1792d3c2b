package org.peftjava.it;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;

/** Damaged quantized checkpoints, and options that contradict them: refused, and in which words. */
@ExtendWith(NoLeaks.class)
class BadQuantizedFilesIT {
  private static final String CONFIG = "config.json";
  private static final String LAYER = "model.layers.0.self_attn.q_proj.";
  private static final String STATE = "weight.quant_state.bitsandbytes__nf4";

  static final List<Damage> FOUR_BIT =
      List.of(
          tensor("weight", t -> t.narrow(0, 0, 2047), "weight is [2047, 1] in the file, [2048, 1]"),
          tensor("weight.absmax", t -> t.narrow(0, 0, 63), "weight.absmax is [63] in the file"),
          tensor(
              "weight.absmax",
              t -> t.to(DType.FLOAT32),
              "weight.absmax has type float32 in the file, expected uint8"),
          tensor(
              "weight.nested_absmax",
              t -> Creation.full(DType.FLOAT32, Double.NaN, 1),
              "weight.nested_absmax holds NaN, infinite or negative scales"),
          tensor(
              "weight.nested_absmax",
              t -> t.neg(),
              "weight.nested_absmax holds NaN, infinite or negative scales"),
          tensor(
              "weight.quant_map",
              t -> t.mul(2),
              "weight.quant_map says that code 0 stands for -2.0",
              "-1.0"),
          tensor(
              "weight.nested_quant_map", t -> t.add(1), "weight.nested_quant_map says that code 0"),
          tensor(STATE, t -> text("{\"quant_type\": "), STATE + " is no JSON"),
          tensor(STATE, t -> text("[]"), STATE + " has \"quant_type\" missing"),
          tensor(STATE, t -> text(state("nf5", "64", "[64, 64]")), "Unknown 4-bit", "'nf5'"),
          tensor(
              STATE, t -> text(state("nf4", "65", "[64, 64]")), "\"blocksize\" 65, expected one"),
          tensor(
              STATE, t -> text(state("nf4", "128", "[64, 64]")), "weight.absmax is [64]", "[32]"),
          tensor(STATE, t -> text(state("nf4", "64", "[64, -64]")), "\"shape\" [64,-64]"),
          tensor(STATE, t -> text(state("nf4", "64", "[4096]")), "\"shape\" [4096]"),
          tensor(
              STATE,
              t -> text(state("nf4", "64", "[4611686018427387904, 4611686018427387904]")),
              "\"shape\" [4611686018427387904,4611686018427387904]"),
          tensor(STATE, t -> text(state("nf4", "64", "[32, 128]")), "is [32, 128]", "[64, 64]"),
          tensor(
              STATE,
              t -> text(state("nf4", "64", "[64, 64]").replace("bfloat16", "int64")),
              "\"dtype\" \"int64\""),
          tensor(
              STATE,
              t -> text(state("nf4", "64", "[64, 64]").replace("256", "64")),
              "\"nested_blocksize\" 64"),
          tensor(
              STATE,
              t -> text(state("nf4", "64", "[64, 64]").replace("0.25", "\"x\"")),
              "\"nested_offset\" \"x\""),
          tensor(
              STATE, t -> Creation.zeros(DType.FLOAT32, 3), "expected the uint8 bytes of a text"),
          tensor(STATE, t -> Creation.zeros(DType.UINT8, 5000), "has 5000 bytes"),
          new Damage(
              "no absmax",
              folder -> rewrite(folder, all -> without(all, LAYER + "weight.absmax")),
              "weight.absmax [64] is missing"),
          new Damage(
              "no state",
              folder -> rewrite(folder, all -> without(all, LAYER + STATE)),
              "q_proj.weight is [2048, 1] in the file, [64, 64] expected"),
          Damage.text(
              CONFIG, "\"quant_method\": \"bitsandbytes\"", "\"quant_method\": \"gptq\"", "gptq"),
          Damage.text(
              CONFIG, "\"load_in_4bit\": true", "\"load_in_4bit\": false", "neither load_in"),
          Damage.text(CONFIG, "\"load_in_8bit\": false", "\"load_in_8bit\": true", "both true"),
          Damage.text(CONFIG, "\"nf4\"", "\"nf3\"", CONFIG, "quantization_config", "'nf3'"),
          Damage.text(CONFIG, "\"quantization_config\"", "\"x\"", "do not fit", "[2048, 1]"));

  /** Scales in float32, without double quantization. */
  static final List<Damage> PLAIN_SCALES =
      List.of(
          tensor(
              "weight.absmax",
              t -> t.mul(Double.NaN),
              "weight.absmax holds NaN, infinite or negative scales"),
          tensor(
              "weight.absmax",
              t -> t.div(0),
              "weight.absmax holds NaN, infinite or negative scales"),
          tensor("weight.absmax", t -> t.neg(), "weight.absmax holds NaN, infinite or negative"),
          tensor("weight.absmax", t -> t.narrow(0, 0, 63), "weight.absmax is [63]", "[64]"),
          tensor("weight", t -> t.narrow(0, 0, 2047), "weight is [2047, 1]", "[2048, 1]"));

  static final List<Damage> EIGHT_BIT =
      List.of(
          tensor(
              "weight_format", t -> Creation.full(DType.UINT8, 1), "weight_format is 1", "col32"),
          tensor("SCB", t -> t.mul(Double.NaN), "SCB holds NaN"),
          tensor("SCB", t -> t.narrow(0, 1, 63), "SCB is [63] in the file, [64] expected"),
          tensor("SCB", t -> t.to(DType.FLOAT16), "SCB has type float16 in the file"),
          tensor("weight", t -> t.to(DType.FLOAT32), "weight has type float32 in the file"),
          tensor("weight", t -> t.narrow(0, 0, 32), "[32, 64] in the file", "[64, 64]"));

  @TempDir Path folder;

  private static Damage tensor(String part, UnaryOperator<Tensor> change, String... facts) {
    return new Damage(
        part + ": " + facts[0],
        folder ->
            rewrite(
                folder,
                all -> {
                  all.put(LAYER + part, change.apply(all.get(LAYER + part)));
                  return all;
                }),
        facts);
  }

  private static String state(String type, String blockSize, String shape) {
    return "{\"quant_type\": \""
        + type
        + "\", \"blocksize\": "
        + blockSize
        + ", \"dtype\": \"bfloat16\", \"shape\": "
        + shape
        + ", \"nested_blocksize\": 256, \"nested_dtype\": \"float32\", \"nested_offset\": 0.25}";
  }

  private static Tensor text(String json) {
    byte[] bytes = json.getBytes(StandardCharsets.UTF_8);
    return Creation.ofBytes(bytes, bytes.length);
  }

  private static Map<String, Tensor> without(Map<String, Tensor> all, String name) {
    all.remove(name);
    return all;
  }

  private static void rewrite(Path folder, UnaryOperator<Map<String, Tensor>> change) {
    Path file = folder.resolve("model.safetensors");
    try (TensorScope scope = TensorScope.open("damage");
        WeightSource source = Safetensors.open(file)) {
      Map<String, Tensor> all = new LinkedHashMap<>();
      source.names().forEach(name -> all.put(name, source.tensor(name)));
      Safetensors.write(file, change.apply(all), Map.of("format", "pt"));
    }
  }

  private void copy(String name) throws IOException {
    try (Stream<Path> files = Files.list(Golden.ROOT.resolve("bnb").resolve(name))) {
      for (Path file : (Iterable<Path>) files::iterator) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
    }
  }

  private void assertRefused(String name, Damage damage) throws IOException {
    copy(name);
    damage.action().accept(folder);
    Refusal.of(folder, () -> AutoModelForCausalLM.fromPretrained(folder).close(), damage.facts());
  }

  @ParameterizedTest
  @FieldSource("FOUR_BIT")
  void fourBit(Damage damage) throws IOException {
    assertRefused("nf4_dq", damage);
  }

  @ParameterizedTest
  @FieldSource("PLAIN_SCALES")
  void plainScales(Damage damage) throws IOException {
    assertRefused("nf4", damage);
  }

  @ParameterizedTest
  @FieldSource("EIGHT_BIT")
  void eightBit(Damage damage) throws IOException {
    assertRefused("int8", damage);
  }

  @Test
  void optionsThatContradictTheFile() throws IOException {
    copy("nf4_dq");
    BitsAndBytesConfig.Builder plain =
        BitsAndBytesConfig.builder().loadIn4bit(true).bnb4bitQuantType(QuantType.NF4);
    refuse(plain.build(), "quantized already", "asks for something else", "Leave it away");
    refuse(BitsAndBytesConfig.builder().loadIn8bit(true).build(), "load_in_8bit=true");
    refuse(BitsAndBytesConfig.builder().build(), "asks for no quantization");
    refuse(
        BitsAndBytesConfig.builder().loadIn8bit(true).llmInt8HasFp16Weight(true).build(),
        "llm_int8_has_fp16_weight is set");
    try (CausalLM model =
        AutoModelForCausalLM.fromPretrained(
            folder, o -> o.quantizationConfig(plain.bnb4bitUseDoubleQuant(true).build()))) {
      Refusal.of(
          folder,
          () -> model.loadWeights(Golden.ROOT.resolve("bnb").resolve("nf4")),
          "A quantized model cannot take other weights",
          "fromPretrained");
    }
  }

  private void refuse(BitsAndBytesConfig config, String... facts) {
    Refusal.of(
        folder,
        () -> AutoModelForCausalLM.fromPretrained(folder, o -> o.quantizationConfig(config)),
        facts);
  }

  @Test
  void denseWeightsUnderAQuantizedConfig() throws IOException {
    copy("base_bf16");
    Files.copy(
        Golden.ROOT.resolve("bnb/nf4").resolve(CONFIG),
        folder.resolve(CONFIG),
        StandardCopyOption.REPLACE_EXISTING);
    Refusal.of(
        folder,
        () -> AutoModelForCausalLM.fromPretrained(folder),
        "has a quantization_config, but the weights there are not quantized");
  }

  /** Codes of a layer fill no whole number of the storage's elements, or have none at all. */
  @Test
  void layersThatTheFormatCannotHold() throws IOException {
    copy("base_bf16");
    rewrite(
        folder,
        all -> {
          String name = LAYER + "weight";
          all.put(name, all.get(name).mul(Double.POSITIVE_INFINITY));
          return all;
        });
    for (BitsAndBytesConfig.Builder builder :
        List.of(
            BitsAndBytesConfig.builder().loadIn4bit(true),
            BitsAndBytesConfig.builder().loadIn8bit(true))) {
      refuse(builder.build(), "holds NaN or infinite values, which have no code");
    }
    refuse(
        BitsAndBytesConfig.builder().loadIn4bit(true).llmInt8SkipModules("q_proj(").build(),
        "The name 'q_proj(' of modules to skip is no regular expression");
  }
}
