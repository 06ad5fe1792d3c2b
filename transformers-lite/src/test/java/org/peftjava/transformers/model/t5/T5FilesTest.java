package org.peftjava.transformers.model.t5;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModel;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.FeatureExtraction;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.Seq2SeqInput;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.checkpoint.Checkpoints;
import org.peftjava.transformers.checkpoint.FileBatch;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.ConfigJson;

/** The files of T5: Python's names and settings, older files, and what is refused. */
class T5FilesTest {
  private static Path golden(String name) {
    return Goldens.folder(name).resolve("model");
  }

  private static Map<String, String> shapes(Path folder) {
    Map<String, String> shapes = new TreeMap<>();
    try (WeightSource source = Safetensors.open(folder.resolve("model.safetensors"))) {
      source.names().forEach(key -> shapes.put(key, source.shape(key) + " " + source.dtype(key)));
    }
    return shapes;
  }

  private static float[] logits(Seq2SeqLM model) {
    try (TensorScope scope = TensorScope.open("logits");
        GradMode off = GradMode.noGrad()) {
      Map<String, Tensor> golden = Goldens.tensors("t5_v10");
      ModelInput input =
          ModelInput.builder()
              .inputIds(golden.get("plain.input_ids"))
              .attentionMask(golden.get("plain.attention_mask"))
              .decoderInputIds(golden.get("plain.decoder_input_ids"))
              .build();
      return model.forward(input).logits().orElseThrow().toFloats();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"t5_v10", "t5_v11", "t5_mt5"})
  void savedFilesAreThoseOfPython(String name, @TempDir Path folder) {
    float[] before;
    try (Seq2SeqLM model = AutoModelForSeq2SeqLM.fromPretrained(golden(name))) {
      before = logits(model);
      model.savePretrained(folder);
    }
    assertEquals(shapes(golden(name)), shapes(folder));
    assertEquals(
        ConfigJson.read(golden(name).resolve("config.json")).toNode(),
        ConfigJson.read(folder.resolve("config.json")).toNode());
    assertEquals(
        ConfigJson.read(golden(name).resolve("generation_config.json")).toNode(),
        ConfigJson.read(folder.resolve("generation_config.json")).toNode());
    try (Seq2SeqLM again = AutoModelForSeq2SeqLM.fromPretrained(folder);
        TensorScope scope = TensorScope.open("compare")) {
      float[] after = logits(again);
      for (int i = 0; i < after.length; i++) {
        assertEquals(before[i], after[i]);
      }
      assertEquals(!name.equals("t5_v11"), again.isTied());
    }
  }

  @Test
  void aModelFromSettingsHasPythonsDefaults(@TempDir Path folder) {
    T5Config config =
        T5Config.builder()
            .vocabSize(40)
            .dModel(16)
            .dKv(6)
            .dFf(20)
            .numLayers(2)
            .numHeads(3)
            .relativeAttentionNumBuckets(8)
            .relativeAttentionMaxDistance(20)
            .decoderStartTokenId(0)
            .build();
    try (Seq2SeqLM model = AutoModelForSeq2SeqLM.fromConfig(config, DType.FLOAT32)) {
      model.savePretrained(folder);
    }
    assertEquals(
        ConfigJson.read(golden("t5_v10").resolve("config.json")).toNode(),
        ConfigJson.read(folder.resolve("config.json")).toNode());
    assertEquals(shapes(golden("t5_v10")), shapes(folder));
  }

  @Test
  void theEncoderIsSavedAlone(@TempDir Path folder) {
    try (FeatureExtraction encoder = AutoModel.fromPretrained(golden("t5_v10"))) {
      encoder.savePretrained(folder);
    }
    Map<String, String> expected = new TreeMap<>(shapes(golden("t5_v10")));
    expected.keySet().removeIf(key -> key.startsWith("decoder."));
    assertEquals(expected, shapes(folder));
    assertEquals(
        "T5EncoderModel",
        ConfigJson.read(folder.resolve("config.json")).getStrings("architectures").get(0));
    IllegalArgumentException error =
        assertThrows(
            IllegalArgumentException.class, () -> AutoModelForSeq2SeqLM.fromPretrained(folder));
    assertTrue(error.getMessage().contains("decoder.block.0"), error::getMessage);
  }

  /** Files of transformers 3 and 4 hold tied weights under each name, and one that nobody uses. */
  @Test
  void olderFilesAreRead(@TempDir Path folder) throws IOException {
    String prefix = "older.";
    Files.writeString(
        folder.resolve("config.json"),
        Files.readString(golden("t5_v10").resolve("config.json"))
            .replace("\"scale_decoder_outputs\": true,", "")
            .replace("\"tie_word_embeddings\": true,", ""));
    try (TensorScope scope = TensorScope.open("older");
        WeightSource source = Safetensors.open(golden("t5_v10").resolve("model.safetensors"));
        FileBatch files = FileBatch.open(folder)) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      source.names().forEach(key -> tensors.put(key, source.tensor(key)));
      Goldens.tensors("t5_v10")
          .forEach(
              (key, value) -> {
                if (key.startsWith(prefix)) {
                  tensors.put(key.substring(prefix.length()), value);
                }
              });
      Checkpoints.write(files, tensors, Long.MAX_VALUE);
      files.commit();
    }
    try (Seq2SeqLM older = AutoModelForSeq2SeqLM.fromPretrained(folder);
        Seq2SeqLM now = AutoModelForSeq2SeqLM.fromPretrained(golden("t5_v10"));
        TensorScope scope = TensorScope.open("compare")) {
      assertTrue(older.isTied());
      float[] expected = logits(now);
      float[] actual = logits(older);
      for (int i = 0; i < actual.length; i++) {
        assertEquals(expected[i], actual[i]);
      }
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "gated-relu-x | 'gated-relu-x'",
        "gelu-gated   | 'gelu-gated'",
        "gated        | 'gated'",
        "sharp        | 'sharp'",
      })
  void otherFeedForwardBlocksAreRefused(String setting, String fact) {
    IllegalArgumentException error =
        assertThrows(
            IllegalArgumentException.class,
            () -> T5Config.builder().feedForwardProj(setting).build());
    assertTrue(error.getMessage().contains("feed_forward_proj"), error::getMessage);
    assertTrue(error.getMessage().contains("'" + setting), error::getMessage);
  }

  @Test
  void settingsThatCannotBe() {
    refused("d_kv", () -> T5Config.builder().dKv(0).build());
    refused("dropout_rate", () -> T5Config.builder().dropoutRate(1).build());
    refused("num_buckets is 2", () -> T5Config.builder().relativeAttentionNumBuckets(2).build());
    refused("max_distance is 0", () -> T5Config.builder().relativeAttentionMaxDistance(0).build());
    refused(
        "decoder_start_token_id is 32128",
        () -> T5Config.builder().decoderStartTokenId(32128).build());
  }

  @Test
  void inputsThatCannotBe() {
    try (Seq2SeqLM model = AutoModelForSeq2SeqLM.fromPretrained(golden("t5_v10"));
        TensorScope scope = TensorScope.open("test")) {
      Map<String, Tensor> golden = Goldens.tensors("t5_v10");
      Tensor ids = golden.get("plain.input_ids");
      Tensor decoder = golden.get("plain.decoder_input_ids");
      Tensor labels = golden.get("in.labels");
      refused("Neither labels nor decoderInputIds", ModelInput.builder().inputIds(ids), model);
      refused(
          "Token id 40",
          ModelInput.builder().inputIds(ids).decoderInputIds(decoder.mul(0).add(40)),
          model);
      refused(
          "Label 40",
          ModelInput.builder()
              .inputIds(ids)
              .labels(labels.mul(0).add(40))
              .decoderInputIds(labels.mul(0)),
          model);
      refused("inputIds", ModelInput.builder().decoderInputIds(decoder), model);
      refused(
          "attentionMask has shape [2, 6]",
          ModelInput.builder()
              .inputIds(ids)
              .attentionMask(golden.get("plain.decoder_attention_mask"))
              .decoderInputIds(decoder),
          model);
      refused(
          "has shape [2, 7]",
          ModelInput.builder()
              .inputIds(ids)
              .seq2seq(
                  Seq2SeqInput.builder()
                      .decoderInputIds(decoder)
                      .decoderAttentionMask(golden.get("plain.attention_mask"))
                      .build()),
          model);
      refused(
          "1 rows",
          ModelInput.builder().inputIds(ids).decoderInputIds(decoder.narrow(0, 0, 1)),
          model);
      refused(
          "labels have shape [2, 5]",
          ModelInput.builder().inputIds(ids).labels(labels).decoderInputIds(decoder),
          model);
      refused(
          "labels are float32",
          ModelInput.builder().inputIds(ids).labels(labels.to(DType.FLOAT32)),
          model);
    }
    refused("no head for causal lm", () -> AutoModelForCausalLM.fromPretrained(golden("t5_v10")));
  }

  @Test
  void labelsNeedAStartToken(@TempDir Path folder) throws IOException {
    Files.copy(golden("t5_v10").resolve("model.safetensors"), folder.resolve("model.safetensors"));
    String config = Files.readString(golden("t5_v10").resolve("config.json"));
    Files.writeString(
        folder.resolve("config.json"), config.replace("\"decoder_start_token_id\": 0,", ""));
    try (Seq2SeqLM model = AutoModelForSeq2SeqLM.fromPretrained(folder);
        TensorScope scope = TensorScope.open("test")) {
      Map<String, Tensor> golden = Goldens.tensors("t5_v10");
      refused(
          "decoder_start_token_id",
          ModelInput.builder().inputIds(golden.get("in.input_ids")).labels(golden.get("in.labels")),
          model);
    }
  }

  private static void refused(String fact, ModelInput.Builder input, Seq2SeqLM model) {
    refused(fact, () -> model.forward(input.build()));
  }

  private static void refused(String fact, Runnable work) {
    IllegalArgumentException error = assertThrows(IllegalArgumentException.class, work::run);
    assertTrue(error.getMessage().contains(fact), error::getMessage);
  }
}
