package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import org.peftjava.peft.AutoPeftModelForCausalLM;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Damaged model and adapter folders: what is refused, and in which words. */
@ExtendWith(NoLeaks.class)
class BadFilesIT {
  private static final String WEIGHTS = "model.safetensors";
  private static final String CONFIG = "config.json";
  private static final String ADAPTER_WEIGHTS = "adapter_model.safetensors";
  private static final String ADAPTER_CONFIG = "adapter_config.json";
  private static final String Q_PROJ = "decoder.layers.0.self_attn.q_proj";

  /** A way to damage a folder, and what the message must hold. */
  private record Case(String name, Consumer<Path> damage, List<String> facts) {
    @Override
    public String toString() {
      return name;
    }
  }

  private static Case row(String name, Consumer<Path> damage, String... facts) {
    return new Case(name, damage, List.of(facts));
  }

  private static Case weights(String name, Consumer<Path> damage, String... facts) {
    return row(name, folder -> damage.accept(folder.resolve(WEIGHTS)), facts);
  }

  private static Case config(String text, String replacement, String... facts) {
    return row(
        text + " -> " + replacement,
        folder -> Refusal.replace(folder.resolve(CONFIG), text, replacement),
        facts);
  }

  private static Case adapter(String text, String replacement, String... facts) {
    return row(
        text + " -> " + replacement,
        folder -> Refusal.replace(folder.resolve(ADAPTER_CONFIG), text, replacement),
        facts);
  }

  private static Case adapterWeights(String text, String replacement, String... facts) {
    return row(
        text + " -> " + replacement,
        folder -> Refusal.replaceInHeader(folder.resolve(ADAPTER_WEIGHTS), text, replacement),
        facts);
  }

  private static void headerLength(Path file, long length) {
    byte[] bytes = Refusal.read(file);
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length);
    Refusal.write(file, bytes);
  }

  static final List<Case> MODELS =
      List.of(
          row(
              "no config",
              folder -> Refusal.delete(folder.resolve(CONFIG)),
              "has no config.json",
              "Expected a model folder"),
          row(
              "no weights",
              folder -> Refusal.delete(folder.resolve(WEIGHTS)),
              "neither model.safetensors nor",
              "found [config.json",
              "Give a folder"),
          weights("cut at the end", file -> Refusal.truncate(file, -10), WEIGHTS, "cut short"),
          weights("cut in the header", file -> Refusal.truncate(file, 100), WEIGHTS, "92 bytes"),
          weights("cut in the length", file -> Refusal.truncate(file, 4), WEIGHTS, "4 bytes"),
          weights("empty", file -> Refusal.truncate(file, 0), WEIGHTS, "0 bytes"),
          weights(
              "huge header",
              file -> headerLength(file, Long.MAX_VALUE),
              WEIGHTS,
              "header",
              "9223372036854775807"),
          weights("negative header", file -> headerLength(file, -1), WEIGHTS, "header"),
          weights(
              "overlap",
              file -> Refusal.replaceInHeader(file, "\"data_offsets\":[0,", "\"data_offsets\":[4,"),
              WEIGHTS,
              "data_offsets [4, "),
          weights(
              "another shape",
              file -> Refusal.replaceInHeader(file, "\"shape\":[40,16]", "\"shape\":[41,16]"),
              WEIGHTS,
              "2624 bytes for shape [41, 16]"),
          weights(
              "a shape no memory holds",
              file ->
                  Refusal.replaceInHeader(
                      file, "\"shape\":[40,16]", "\"shape\":[4611686018427387904,16]"),
              WEIGHTS,
              "4611686018427387904",
              "no memory can hold"),
          weights(
              "unknown type",
              file -> Refusal.replaceInHeader(file, "\"dtype\":\"F32\"", "\"dtype\":\"F99\""),
              WEIGHTS,
              "F99"),
          weights(
              "header is not UTF-8",
              file -> Refusal.replaceInHeader(file, "fc1", "\u00ff\u00fe"),
              WEIGHTS,
              "not UTF-8"),
          weights(
              "header is no JSON",
              file -> Refusal.replaceInHeader(file, "\"shape\":", "\"shape\";"),
              WEIGHTS,
              "not valid JSON"),
          weights(
              "a weight is missing",
              file -> Refusal.replaceInHeader(file, Q_PROJ + ".weight", "decoder.unknown"),
              Q_PROJ + ".weight [16, 16] is missing",
              "belong together"),
          config(
              "\"hidden_size\": 16",
              "\"hidden_size\": 32",
              "do not fit OPTForCausalLM",
              "[34, 16] in the file"),
          config("\"model_type\": \"opt\"", "\"model_type\": \"xyz\"", "xyz", "opt"),
          config(
              "\"model_type\": \"opt\"", "\"model_type\": 7", CONFIG, "model_type", "7", "string"),
          config(
              "\"model_type\": \"opt\"", "\"kind\": \"opt\"", CONFIG, "\"model_type\" is missing"),
          config(
              "\"hidden_size\": 16",
              "\"hidden_size\": \"wide\"",
              CONFIG,
              "hidden_size",
              "wide",
              "a whole number"),
          config("\"hidden_size\": 16", "\"hidden_size\": -16", "hidden_size", "-16"),
          config("\"hidden_size\": 16", "\"hidden_size\": 9999999999", "hidden_size", "9999999999"),
          config(
              "\"num_attention_heads\": 2",
              "\"num_attention_heads\": 3",
              "num_attention_heads",
              "3",
              "16"),
          config(
              "\"activation_function\": \"relu\"",
              "\"activation_function\": \"wow\"",
              "activation_function",
              "wow",
              "relu"),
          config("\"dtype\": \"float32\"", "\"dtype\": \"float33\"", "float33", "float32"),
          config("\"opt\"", "\"\u00ff\"", CONFIG, "UTF-8"),
          config("\"opt\"", "opt", CONFIG, "JSON"));

  static final List<Case> ADAPTERS =
      List.of(
          row(
              "no config",
              folder -> Refusal.delete(folder.resolve(ADAPTER_CONFIG)),
              "no " + ADAPTER_CONFIG,
              "Expected a folder"),
          row(
              "no weights",
              folder -> Refusal.delete(folder.resolve(ADAPTER_WEIGHTS)),
              "no " + ADAPTER_WEIGHTS,
              "Expected a folder"),
          row(
              "cut",
              folder -> Refusal.truncate(folder.resolve(ADAPTER_WEIGHTS), -1),
              ADAPTER_WEIGHTS,
              "cut short"),
          row(
              "not UTF-8",
              folder -> Refusal.replace(folder.resolve(ADAPTER_CONFIG), "LORA", "\u00ff"),
              ADAPTER_CONFIG,
              "UTF-8"),
          adapter("\"LORA\"", "\"MAGIC\"", ADAPTER_CONFIG, "MAGIC", "LORA"),
          adapter("\"LORA\"", "3", ADAPTER_CONFIG, "peft_type"),
          adapter("\"r\": 4", "\"r\": \"four\"", ADAPTER_CONFIG, "r", "four"),
          adapter("\"r\": 4", "\"r\": 0", ADAPTER_CONFIG, "r", "0", "positive"),
          adapter("\"r\": 4", "\"r\": 6", ADAPTER_WEIGHTS, "[4, 16]", "[6, 16]", "belong together"),
          adapter(
              "\"lora_alpha\": 10",
              "\"lora_alpha\": true",
              ADAPTER_CONFIG,
              "loraAlpha",
              "a number",
              "true"),
          adapter(
              "\"lora_dropout\": 0.0", "\"lora_dropout\": 1.5", ADAPTER_CONFIG, "1.5", "[0, 1)"),
          adapter(
              "\"bias\": \"none\"", "\"bias\": \"some\"", ADAPTER_CONFIG, "bias", "some", "all"),
          adapter("\"use_dora\": false", "\"use_dora\": true", "use"),
          adapter("\"q_proj\"", "\"query\"", "query", "q_proj"),
          adapter("\"q_proj\"", "12", ADAPTER_CONFIG, "targetModules", "[12]"),
          adapterWeights("base_model.model.", "", "base_model.model.", "prefix"),
          adapterWeights(
              "lora_A", "lora_C", "missing", "lora_A", "unexpected", "lora_C", "lenient"),
          adapterWeights("\"shape\":[4,16]", "\"shape\":[16,4]", "[16, 4]", "[4, 16]"));

  @TempDir private Path folder;
  private Path base;
  private Path adapter;

  @BeforeEach
  void write() {
    base = folder.resolve("base");
    adapter = folder.resolve("adapter");
    try (CausalLM model = TinyOpt.model(TinyOpt.config())) {
      model.savePretrained(base);
    }
    LoraConfig lora =
        LoraConfig.builder()
            .r(4)
            .loraAlpha(10)
            .targetModules("q_proj")
            .initLoraWeights(false)
            .build();
    try (CausalLM model = AutoModelForCausalLM.fromPretrained(base);
        PeftModelForCausalLM adapted = Peft.getPeftModel(model, lora)) {
      adapted.savePretrained(adapter);
    }
  }

  @AfterEach
  void theJvmIsAliveAndWorks() {
    try (TensorScope scope = TensorScope.open("check");
        CausalLM model = TinyOpt.model(TinyOpt.config())) {
      long[][] ids = {{2, 3, 4}};
      assertEquals(120, model.forward(TokenBatch.of(ids)).logits().orElseThrow().numel());
    }
  }

  @ParameterizedTest
  @FieldSource("MODELS")
  void models(Case damaged) {
    damaged.damage().accept(base);
    Refusal.of(
        folder,
        () -> AutoModelForCausalLM.fromPretrained(base),
        damaged.facts().toArray(String[]::new));
  }

  @ParameterizedTest
  @FieldSource("ADAPTERS")
  void adapters(Case damaged) {
    damaged.damage().accept(adapter);
    String[] facts = damaged.facts().toArray(String[]::new);
    try (TensorScope scope = TensorScope.open("test");
        CausalLM model = AutoModelForCausalLM.fromPretrained(base)) {
      float[] before = logits(model);
      Refusal.of(folder, () -> PeftModel.fromPretrained(model, adapter.toString()), facts);
      assertArrayEquals(before, logits(model));
      try (PeftModelForCausalLM intact =
          Peft.getPeftModel(model, LoraConfig.builder().targetModules("v_proj").build())) {
        Refusal.of(folder, () -> intact.loadAdapter(adapter.toString(), "other"), facts);
        assertEquals(List.of("default"), List.copyOf(intact.peftConfig().keySet()));
      }
    }
    Refusal.of(folder, () -> AutoPeftModelForCausalLM.fromPretrained(adapter.toString()), facts);
  }

  private static float[] logits(CausalLM model) {
    long[][] ids = {{2, 3, 4}};
    return model.forward(TokenBatch.of(ids)).logits().orElseThrow().toFloats();
  }

  @Test
  void foldersThatAreNotThere() {
    Refusal.of(
        folder,
        () -> AutoModelForCausalLM.fromPretrained("nobody/nothing"),
        "nobody/nothing",
        "local folders",
        "download");
    Refusal.of(
        folder,
        () -> AutoModelForCausalLM.fromPretrained(base.resolve(WEIGHTS).toString()),
        WEIGHTS,
        "is a file",
        "Give the folder");
    Refusal.of(folder, () -> AutoModelForCausalLM.fromPretrained("bad\0name"), "not a path");
    Refusal.replace(adapter.resolve(ADAPTER_CONFIG), base.toString(), "nobody/nothing");
    Refusal.of(
        folder,
        () -> AutoPeftModelForCausalLM.fromPretrained(adapter.toString()),
        "nobody/nothing",
        "download");
  }
}
