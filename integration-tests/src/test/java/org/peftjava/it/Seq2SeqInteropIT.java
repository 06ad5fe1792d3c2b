package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.AutoPeftModelForSeq2SeqLM;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModelForSeq2SeqLM;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.Seq2SeqLanguageModel;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.bart.BartConfig;
import org.peftjava.transformers.model.t5.T5Config;
import org.peftjava.transformers.model.t5.T5ConfigBuilder;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.Example;
import org.peftjava.transformers.training.SaveStrategy;
import org.peftjava.transformers.training.Trainer;
import org.peftjava.transformers.training.TrainingArguments;

/**
 * T5 and mT5 made here, and adapters trained on them here, saved and read again: here, and by the
 * real transformers and PEFT.
 *
 * <p>Python is not needed to run this. {@code -Dinterop.seq2seq=<folder>} keeps the folder for
 * check_seq2seq.py; what that script said is recorded in src/test/resources/interop.
 */
@ExtendWith(NoLeaks.class)
class Seq2SeqInteropIT {
  private static final Path RECORDED = Path.of("src/test/resources/interop/seq2seq.txt");

  private static final TokenBatch BATCH =
      TokenBatch.of(
          new long[][] {{5, 6, 17, 8, 29, 31, 1}, {9, 33, 4, 1, 0, 0, 0}},
          new long[][] {{1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 0, 0, 0}});

  private static final long[][] LABELS = {{12, 7, 3, 25, 1}, {38, 2, 1, -100, -100}};

  private static final Map<String, PretrainedConfig> CONFIGS =
      Map.of(
          "t5",
          t5(T5Config.builder()),
          "flan",
          t5(T5Config.builder().feedForwardProj("gated-gelu").scaleDecoderOutputs(false)),
          "mt5",
          t5(T5Config.mt5Builder()),
          "bart",
          bart());

  @Test
  void whatJavaWritesJavaReads(@TempDir Path temporary) {
    String kept = System.getProperty("interop.seq2seq");
    Path root = kept == null ? temporary : Path.of(kept).toAbsolutePath();
    CONFIGS.forEach((name, config) -> write(root.resolve(name), config));
    for (String name : CONFIGS.keySet()) {
      Path folder = root.resolve(name);
      try (TensorScope scope = TensorScope.open("read");
          GradMode off = GradMode.noGrad()) {
        Map<String, Tensor> expected = new LinkedHashMap<>();
        try (var source = Safetensors.open(folder.resolve("expected.safetensors"))) {
          source.names().forEach(key -> expected.put(key, source.tensor(key)));
        }
        try (Seq2SeqLM base = AutoModelForSeq2SeqLM.fromPretrained(folder.resolve("base"))) {
          assertSame(expected, "base", base);
        }
        try (PeftModelForSeq2SeqLM adapted =
            AutoPeftModelForSeq2SeqLM.fromPretrained(folder.resolve("adapter").toString())) {
          assertSame(expected, "adapter", adapted);
        }
        try (Seq2SeqLM merged = AutoModelForSeq2SeqLM.fromPretrained(folder.resolve("merged"))) {
          assertSame(expected, "merged", merged);
        }
      }
    }
  }

  private static void assertSame(
      Map<String, Tensor> expected, String name, Seq2SeqLanguageModel model) {
    Map<String, Tensor> actual = new LinkedHashMap<>();
    measure(actual, name, model);
    Golden.assertClose(expected.get(name + ".logits"), actual.get(name + ".logits"), 1e-6, name);
    assertArrayEquals(
        expected.get(name + ".ids").toLongs(), actual.get(name + ".ids").toLongs(), name);
  }

  private static PretrainedConfig t5(T5ConfigBuilder shape) {
    return shape
        .vocabSize(40)
        .dModel(16)
        .dKv(6)
        .dFf(20)
        .numLayers(2)
        .numDecoderLayers(2)
        .numHeads(3)
        .relativeAttentionNumBuckets(8)
        .relativeAttentionMaxDistance(20)
        .decoderStartTokenId(0)
        .build();
  }

  private static PretrainedConfig bart() {
    return BartConfig.builder()
        .vocabSize(40)
        .dModel(16)
        .encoderLayers(2)
        .decoderLayers(1)
        .encoderAttentionHeads(4)
        .decoderAttentionHeads(2)
        .encoderFfnDim(20)
        .decoderFfnDim(24)
        .maxPositionEmbeddings(24)
        .padTokenId(OptionalLong.of(0))
        .eosTokenId(1)
        .decoderStartTokenId(1)
        .forcedEosTokenId(1)
        .initStd(0.5)
        .build();
  }

  private static void write(Path folder, PretrainedConfig config) {
    Randomness.manualSeed(5);
    Map<String, Tensor> expected = new LinkedHashMap<>();
    try (TensorScope scope = TensorScope.open("write")) {
      expected.put("input_ids", Creation.ofLongs(BATCH.inputIds()));
      expected.put("attention_mask", Creation.ofLongs(BATCH.attentionMask()));
      expected.put("labels", Creation.ofLongs(LABELS));
      try (Seq2SeqLM fresh = AutoModelForSeq2SeqLM.fromConfig(config, DType.FLOAT32)) {
        fresh.savePretrained(folder.resolve("base"));
      }
      try (Seq2SeqLM base = AutoModelForSeq2SeqLM.fromPretrained(folder.resolve("base"))) {
        measure(expected, "base", base);
        PeftModelForSeq2SeqLM model =
            Peft.getPeftModel(
                base,
                LoraConfig.builder().taskType(TaskType.SEQ_2_SEQ_LM).r(4).loraAlpha(10).build());
        train(model);
        measure(expected, "adapter", model);
        model.savePretrained(folder.resolve("adapter"));
        Seq2SeqLM merged = model.mergeAndUnload();
        measure(expected, "merged", merged);
        merged.savePretrained(folder.resolve("merged"));
      }
      double gap =
          expected.get("base.logits").sub(expected.get("adapter.logits")).abs().max().toDouble();
      assertTrue(gap > 0.1, () -> "the adapter changes logits by " + gap + " only");
      Safetensors.write(folder.resolve("expected.safetensors"), expected, Map.of());
    }
  }

  private static void measure(
      Map<String, Tensor> results, String name, Seq2SeqLanguageModel model) {
    try (GradMode off = GradMode.noGrad()) {
      ModelInput input =
          ModelInput.of(BATCH.withLabels(LABELS), model.device()).toBuilder()
              .outputLogits(true)
              .build();
      ModelOutput output = model.forward(input);
      results.put(name + ".logits", output.logits().orElseThrow());
      results.put(name + ".loss", output.loss().orElseThrow());
      results.put(
          name + ".ids",
          Creation.ofLongs(model.generate(BATCH, g -> g.maxNewTokens(6).numBeams(2)).ids()));
    }
  }

  private static void train(PeftModelForSeq2SeqLM model) {
    Trainer.builder()
        .model(model)
        .args(
            TrainingArguments.builder()
                .maxSteps(20)
                .learningRate(0.02)
                .saveStrategy(SaveStrategy.NO)
                .build())
        .trainDataset(
            Dataset.of(
                List.of(
                    Example.ofTarget(new long[] {5, 6, 7, 1}, new long[] {7, 6, 5, 1}),
                    Example.ofTarget(new long[] {8, 9, 1}, new long[] {9, 8, 1}))))
        .build()
        .train();
    model.eval();
  }

  @Test
  void pythonFoundNothingWrong() throws IOException {
    List<String> lines = Files.readAllLines(RECORDED);
    for (String line : lines) {
      assertTrue(line.startsWith("ok  "), line);
    }
    for (String name : CONFIGS.keySet()) {
      for (String check :
          List.of(
              "base: keys",
              "base: config",
              "base: generation config",
              "base: logits",
              "base: loss",
              "base: beams",
              "adapter: keys",
              "adapter: config",
              "adapter: logits",
              "adapter: beams",
              "merged: keys",
              "merged: logits")) {
        String start = "ok    " + name + " " + check;
        assertEquals(1, lines.stream().filter(line -> line.startsWith(start)).count(), start);
      }
    }
  }
}
