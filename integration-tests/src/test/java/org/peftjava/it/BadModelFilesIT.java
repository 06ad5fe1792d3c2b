package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Damaged model folders: what is refused, and in which words. */
@ExtendWith(NoLeaks.class)
class BadModelFilesIT {
  private static final String WEIGHTS = "model.safetensors";
  private static final String CONFIG = "config.json";
  private static final String Q_PROJ = "decoder.layers.0.self_attn.q_proj";

  static final List<Damage> DAMAGES =
      List.of(
          new Damage(
              "no config",
              folder -> Refusal.delete(folder.resolve(CONFIG)),
              "has no config.json",
              "Expected a model folder"),
          new Damage(
              "no weights",
              folder -> Refusal.delete(folder.resolve(WEIGHTS)),
              "no weights in",
              "found [config.json",
              "Give a folder"),
          Damage.file(
              WEIGHTS, "cut at the end", file -> Refusal.truncate(file, -10), WEIGHTS, "cut short"),
          Damage.file(
              WEIGHTS,
              "cut in the header",
              file -> Refusal.truncate(file, 100),
              WEIGHTS,
              "92 bytes"),
          Damage.file(
              WEIGHTS, "cut in the length", file -> Refusal.truncate(file, 4), WEIGHTS, "4 bytes"),
          Damage.file(WEIGHTS, "empty", file -> Refusal.truncate(file, 0), WEIGHTS, "0 bytes"),
          Damage.file(
              WEIGHTS,
              "huge header",
              file -> headerLength(file, Long.MAX_VALUE),
              WEIGHTS,
              "header",
              "9223372036854775807"),
          Damage.file(
              WEIGHTS, "negative header", file -> headerLength(file, -1), WEIGHTS, "header"),
          Damage.file(
              WEIGHTS,
              "overlap",
              file -> Refusal.replaceInHeader(file, "\"data_offsets\":[0,", "\"data_offsets\":[4,"),
              WEIGHTS,
              "data_offsets [4, "),
          Damage.file(
              WEIGHTS,
              "another shape",
              file -> Refusal.replaceInHeader(file, "\"shape\":[40,16]", "\"shape\":[41,16]"),
              WEIGHTS,
              "2624 bytes for shape [41, 16]"),
          Damage.file(
              WEIGHTS,
              "a shape no memory holds",
              file ->
                  Refusal.replaceInHeader(
                      file, "\"shape\":[40,16]", "\"shape\":[4611686018427387904,16]"),
              WEIGHTS,
              "4611686018427387904",
              "no memory can hold"),
          Damage.file(
              WEIGHTS,
              "unknown type",
              file -> Refusal.replaceInHeader(file, "\"dtype\":\"F32\"", "\"dtype\":\"F99\""),
              WEIGHTS,
              "F99"),
          Damage.file(
              WEIGHTS,
              "header is not UTF-8",
              file -> Refusal.replaceInHeader(file, "fc1", "\u00ff\u00fe"),
              WEIGHTS,
              "not UTF-8"),
          Damage.file(
              WEIGHTS,
              "header is no JSON",
              file -> Refusal.replaceInHeader(file, "\"shape\":", "\"shape\";"),
              WEIGHTS,
              "not valid JSON"),
          Damage.file(
              WEIGHTS,
              "a weight is missing",
              file -> Refusal.replaceInHeader(file, Q_PROJ + ".weight", "decoder.unknown"),
              Q_PROJ + ".weight [16, 16] is missing",
              "belong together"),
          Damage.text(
              CONFIG,
              "\"hidden_size\": 16",
              "\"hidden_size\": 32",
              "do not fit OPTForCausalLM",
              "[34, 16] in the file"),
          Damage.text(CONFIG, "\"model_type\": \"opt\"", "\"model_type\": \"xyz\"", "xyz", "opt"),
          Damage.text(
              CONFIG,
              "\"model_type\": \"opt\"",
              "\"model_type\": 7",
              CONFIG,
              "model_type",
              "7",
              "string"),
          Damage.text(
              CONFIG,
              "\"model_type\": \"opt\"",
              "\"kind\": \"opt\"",
              CONFIG,
              "\"model_type\" is missing"),
          Damage.text(
              CONFIG,
              "\"hidden_size\": 16",
              "\"hidden_size\": \"wide\"",
              CONFIG,
              "hidden_size",
              "wide",
              "a whole number"),
          Damage.text(CONFIG, "\"hidden_size\": 16", "\"hidden_size\": -16", "hidden_size", "-16"),
          Damage.text(
              CONFIG,
              "\"hidden_size\": 16",
              "\"hidden_size\": 9999999999",
              "hidden_size",
              "9999999999"),
          Damage.text(
              CONFIG,
              "\"num_attention_heads\": 2",
              "\"num_attention_heads\": 3",
              "num_attention_heads",
              "3",
              "16"),
          Damage.text(
              CONFIG,
              "\"activation_function\": \"relu\"",
              "\"activation_function\": \"wow\"",
              "activation_function",
              "wow",
              "relu"),
          Damage.text(
              CONFIG, "\"dtype\": \"float32\"", "\"dtype\": \"float33\"", "float33", "float32"),
          Damage.text(CONFIG, "\"opt\"", "\"\u00ff\"", CONFIG, "UTF-8"),
          Damage.text(CONFIG, "\"opt\"", "opt", CONFIG, "JSON"));

  @TempDir private Path folder;
  private Path base;

  @BeforeEach
  void write() {
    base = folder.resolve("base");
    try (CausalLM model = TinyOpt.model(TinyOpt.config())) {
      model.savePretrained(base);
    }
  }

  private static void headerLength(Path file, long length) {
    byte[] bytes = Refusal.read(file);
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length);
    Refusal.write(file, bytes);
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
  @FieldSource("DAMAGES")
  void damagedFolders(Damage damage) {
    damage.action().accept(base);
    Refusal.of(folder, () -> AutoModelForCausalLM.fromPretrained(base), damage.facts());
  }

  @Test
  void foldersThatAreNotThere() {
    Refusal.of(
        folder,
        () -> AutoModelForCausalLM.fromPretrained("nobody/nothing"),
        "nobody/nothing",
        "hub's cache",
        "download");
    Refusal.of(
        folder,
        () -> AutoModelForCausalLM.fromPretrained(base.resolve(WEIGHTS).toString()),
        WEIGHTS,
        "is a file",
        "Give the folder");
    Refusal.of(folder, () -> AutoModelForCausalLM.fromPretrained("bad\0name"), "not a path");
  }
}
