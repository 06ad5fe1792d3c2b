package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.AutoPeftModelForCausalLM;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.SaveStrategy;
import org.peftjava.transformers.training.TrainOutput;
import org.peftjava.transformers.training.Trainer;
import org.peftjava.transformers.training.TrainingArguments;

/**
 * Models trained here, saved, and read again: here, and by the real PEFT.
 *
 * <p>Python is not needed to run this. {@code -Dinterop.dir=<folder>} keeps the folder for
 * check_interop.py; what that script said is recorded in src/test/resources/interop.
 */
@ExtendWith(NoLeaks.class)
class PythonInteropIT {
  private static final Path RECORDED = Path.of("src/test/resources/interop/recorded.txt");
  private static final Path HUB = RECORDED.resolveSibling("hub.json");
  private static final String STYLE = "style";

  private static final long[][] IDS = {
    {2, 5, 8, 11, 14, 17, 20}, {2, 30, 33, 36, 39, 1, 1}, {2, 9, 12, 15, 1, 1, 1}
  };
  private static final long[][] MASK = {
    {1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 0, 0}, {1, 1, 1, 1, 0, 0, 0}
  };

  @Test
  void whatJavaWritesJavaReads(@TempDir Path temporary) {
    String kept = System.getProperty("interop.dir");
    Path folder = kept == null ? temporary : Path.of(kept).toAbsolutePath();
    write(folder);
    try (TensorScope scope = TensorScope.open("read");
        GradMode off = GradMode.noGrad();
        WeightSource source = Safetensors.open(folder.resolve("expected.safetensors"))) {
      try (CausalLM base = AutoModelForCausalLM.fromPretrained(folder.resolve("base"))) {
        assertLogits(source, "base.logits", base);
      }
      try (CausalLM merged = AutoModelForCausalLM.fromPretrained(folder.resolve("merged"))) {
        assertLogits(source, "merged.logits", merged);
      }
      try (PeftModelForCausalLM model =
          AutoPeftModelForCausalLM.fromPretrained(folder.resolve("adapter").toString())) {
        assertLogits(source, "adapter.logits", model);
        model.loadAdapter(
            folder.resolve("adapter").resolve(STYLE), options -> options.adapterName(STYLE));
        model.setAdapter(STYLE);
        assertLogits(source, "adapter." + STYLE + ".logits", model);
      }
      assertFar(source, "base.logits", "adapter.logits");
      assertFar(source, "base.logits", "adapter." + STYLE + ".logits");
      assertFar(source, "adapter.logits", "adapter." + STYLE + ".logits");
    }
  }

  private static void assertLogits(WeightSource source, String name, CausalLanguageModel model) {
    Golden.assertClose(source.tensor(name), logits(model), 1e-6, name);
  }

  /** Guards against adapters that do nothing. */
  private static void assertFar(WeightSource source, String a, String b) {
    double gap = source.tensor(a).sub(source.tensor(b)).abs().max().toDouble();
    assertTrue(gap > 0.1, () -> a + " and " + b + " differ by " + gap + " only");
  }

  @Test
  void pythonFoundNothingWrong() throws IOException {
    List<String> lines = Files.readAllLines(RECORDED);
    assertTrue(lines.size() > 12, lines::toString);
    for (String line : lines) {
      assertTrue(line.startsWith("ok  "), line);
    }
    for (String checked :
        List.of(
            "base.logits",
            "adapter.logits",
            "adapter." + STYLE + ".logits",
            "merged.logits",
            "default: 41 keys of LoRA",
            STYLE + ": 41 keys of LoRA")) {
      assertEquals(1, lines.stream().filter(line -> line.contains("  " + checked)).count());
    }
    assertFalse(lines.get(0).contains("/"));
  }

  /** What hub_interop.py found about the test hub and the cache that both clients share. */
  @Test
  void theRecordOfTheHubIsWhole() {
    JsonNode record = Golden.json(HUB);
    assertTrue(record.path("huggingface_hub").asText().matches("1\\.\\d+\\.\\d+"));
    assertTrue(record.path("checks").size() >= 38, record::toString);
    for (JsonNode check : record.path("checks")) {
      assertTrue(check.path("good").asBoolean(), check::toString);
    }
  }

  /** Trains two adapters and writes everything that check_interop.py reads. */
  private static void write(Path folder) {
    Map<String, Tensor> expected = new LinkedHashMap<>();
    try (TensorScope scope = TensorScope.open("write")) {
      expected.put("input_ids", Creation.ofLongs(IDS));
      expected.put("attention_mask", Creation.ofLongs(MASK));
      try (CausalLM model = TinyOpt.model(TinyOpt.config())) {
        model.savePretrained(folder.resolve("base"));
      }
      try (CausalLM base = AutoModelForCausalLM.fromPretrained(folder.resolve("base"))) {
        expected.put("base.logits", evaluated(base));
        PeftModelForCausalLM model =
            Peft.getPeftModel(
                base,
                LoraConfig.builder()
                    .taskType(TaskType.CAUSAL_LM)
                    .r(4)
                    .loraAlpha(10)
                    .loraDropout(0.1)
                    .targetModules("q_proj", "v_proj")
                    .build());
        train(model);
        model.addAdapter(
            STYLE,
            LoraConfig.builder()
                .taskType(TaskType.CAUSAL_LM)
                .r(3)
                .loraAlpha(5)
                .useRslora(true)
                .targetModules(TargetModules.allLinear())
                .rankPattern(Map.of("fc1", 5))
                .build());
        model.setAdapter(STYLE);
        train(model);
        expected.put("adapter." + STYLE + ".logits", evaluated(model));
        model.setAdapter(PeftModel.DEFAULT_ADAPTER);
        expected.put("adapter.logits", evaluated(model));
        model.savePretrained(folder.resolve("adapter"));
        CausalLM merged = model.mergeAndUnload();
        expected.put("merged.logits", evaluated(merged));
        merged.savePretrained(folder.resolve("merged"), options -> options.maxShardSize("12KB"));
      }
      Safetensors.write(folder.resolve("expected.safetensors"), expected, Map.of());
    }
  }

  private static Tensor evaluated(CausalLanguageModel model) {
    try (GradMode off = GradMode.noGrad()) {
      return logits(model);
    }
  }

  private static Tensor logits(CausalLanguageModel model) {
    return model.forward(TokenBatch.of(IDS, MASK)).logits().orElseThrow();
  }

  private static void train(PeftModelForCausalLM model) {
    TrainOutput output =
        Trainer.builder()
            .model(model)
            .args(
                TrainingArguments.builder()
                    .maxSteps(20)
                    .learningRate(0.02)
                    .saveStrategy(SaveStrategy.NO)
                    .build())
            .trainDataset(Dataset.of(TinyOpt.counting(40)))
            .build()
            .train();
    assertEquals(20, output.globalStep());
  }
}
