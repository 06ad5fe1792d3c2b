package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.PeftModel;
import org.peftjava.torch.DType;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.Example;
import org.peftjava.transformers.training.SamplingStrategy;
import org.peftjava.transformers.training.SaveStrategy;
import org.peftjava.transformers.training.Trainer;
import org.peftjava.transformers.training.TrainingArguments;

/**
 * Fifty steps of LoRA training beside transformers' Trainer: the loss, the norm of the gradient and
 * the learning rate of each step, and the adapter at the end.
 */
class GoldenTrainingIT {
  private static final Path GOLDEN = Path.of("src/test/resources/golden/train50");

  @TempDir private Path folder;

  @Test
  void fp32() throws IOException {
    compare("fp32", "fp32", arguments().build(), DType.FLOAT32);
  }

  @Test
  void fp32WithGradientCheckpointing() throws IOException {
    compare("fp32", "fp32", arguments().gradientCheckpointing(true).build(), DType.FLOAT32);
  }

  @Test
  void bf16Base() throws IOException {
    compare("bf16", "bf16", arguments().build(), DType.BFLOAT16);
  }

  /** {@code bf16(true)} over a float32 model gives the run over a bfloat16 model. */
  @Test
  void bf16Option() throws IOException {
    compare("fp32", "bf16", arguments().bf16(true).build(), DType.BFLOAT16);
  }

  /** A checkpoint of an adapter over a bfloat16 base restores the run to the bit. */
  @Test
  void aResumedRunGivesTheSameBits() {
    TrainingArguments.Builder args =
        arguments().maxSteps(8).saveStrategy(SaveStrategy.STEPS).saveSteps(5);
    List<Map<String, Double>> whole = train(args.build());
    List<Map<String, Double>> resumed =
        train(args.resumeFromCheckpoint(folder.resolve("checkpoint-5")).build());
    assertEquals(whole.subList(0, 8), resumed.subList(0, 8));
  }

  private static List<Map<String, Double>> train(TrainingArguments args) {
    try (var base = AutoModelForCausalLM.fromPretrained(GOLDEN.resolve("bf16/base"));
        var adapted =
            PeftModel.fromPretrained(
                base, GOLDEN.resolve("bf16/initial_adapter"), o -> o.isTrainable(true))) {
      Trainer trainer =
          Trainer.builder().model(adapted).args(args).trainDataset(examples()).build();
      trainer.train();
      return trainer.state().logHistory();
    }
  }

  private TrainingArguments.Builder arguments() {
    return TrainingArguments.builder()
        .outputDir(folder)
        .maxSteps(50)
        .gradientAccumulationSteps(2)
        .perDeviceTrainBatchSize(4)
        .learningRate(5e-3)
        .weightDecay(0.01)
        .warmupSteps(5)
        .loggingSteps(1)
        .saveStrategy(SaveStrategy.NO)
        .trainSamplingStrategy(SamplingStrategy.SEQUENTIAL);
  }

  private void compare(String model, String golden, TrainingArguments args, DType baseType)
      throws IOException {
    Path expected = GOLDEN.resolve(golden);
    JsonNode tolerances =
        new ObjectMapper().readTree(expected.resolve("case.json").toFile()).path("tolerances");
    long live = TensorLedger.liveTensors();
    try (var base = AutoModelForCausalLM.fromPretrained(GOLDEN.resolve(model).resolve("base"));
        var adapted =
            PeftModel.fromPretrained(
                base, expected.resolve("initial_adapter"), o -> o.isTrainable(true))) {
      Trainer trainer =
          Trainer.builder().model(adapted).args(args).trainDataset(examples()).build();
      trainer.train();
      assertEquals(baseType, base.dtype());
      compareSteps(expected.resolve("steps.safetensors"), trainer.state().logHistory(), tolerances);
      adapted.savePretrained(folder.resolve("adapter"));
    }
    assertEquals(live, TensorLedger.liveTensors());
    compareAdapters(expected, tolerances.path("finalWeight").asDouble());
  }

  private static void compareSteps(
      Path file, List<Map<String, Double>> lines, JsonNode tolerances) {
    try (TensorScope scope = TensorScope.open("test");
        WeightSource steps = Safetensors.open(file)) {
      float[] loss = steps.tensor("loss").toFloats();
      float[] rate = steps.tensor("learning_rate").toFloats();
      float[] norm = steps.tensor("grad_norm").toFloats();
      double normTolerance = tolerances.path("gradNormRelative").asDouble();
      assertEquals(51, lines.size(), "50 steps and the summary");
      for (int step = 0; step < 50; step++) {
        String what = " of step " + (step + 1);
        Map<String, Double> line = lines.get(step);
        assertEquals(
            loss[step], line.get("loss"), tolerances.path("loss").asDouble(), "loss" + what);
        assertEquals(rate[step], line.get("learning_rate"), 1e-9, "learning rate" + what);
        assertEquals(norm[step], line.get("grad_norm"), normTolerance * norm[step], "norm" + what);
      }
      assertTrue(lines.get(49).get("loss") < 0.8 * lines.get(0).get("loss"));
    }
  }

  private void compareAdapters(Path expected, double tolerance) {
    String name = "adapter_model.safetensors";
    try (TensorScope scope = TensorScope.open("test");
        WeightSource golden = Safetensors.open(expected.resolve("final_adapter").resolve(name));
        WeightSource ours = Safetensors.open(folder.resolve("adapter").resolve(name))) {
      assertEquals(golden.names(), ours.names());
      assertEquals(24, golden.names().size());
      for (String tensor : golden.names()) {
        float[] theirs = golden.tensor(tensor).toFloats();
        float[] mine = ours.tensor(tensor).toFloats();
        for (int i = 0; i < theirs.length; i++) {
          assertEquals(theirs[i], mine[i], tolerance, tensor + " [" + i + "]");
        }
      }
    }
  }

  /** The recorded rows without their padding. */
  private static Dataset examples() {
    try (TensorScope scope = TensorScope.open("test");
        WeightSource source = Safetensors.open(GOLDEN.resolve("batches.safetensors"))) {
      long[] ids = source.tensor("input_ids").toLongs();
      long[] mask = source.tensor("attention_mask").toLongs();
      long[] labels = source.tensor("labels").toLongs();
      List<Example> rows = new ArrayList<>();
      for (int start = 0; start < ids.length; start += 24) {
        int length = (int) Arrays.stream(mask, start, start + 24).sum();
        rows.add(
            new Example(
                Arrays.copyOfRange(ids, start, start + length),
                Arrays.copyOfRange(labels, start, start + length)));
      }
      assertEquals(400, rows.size());
      return Dataset.of(rows);
    }
  }
}
