package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.shadow.ShadowConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.Randomness;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.Example;
import org.peftjava.transformers.training.Trainer;
import org.peftjava.transformers.training.TrainingArguments;

/** ShadowPEFT in the Trainer. */
@ExtendWith(LedgerCheck.class)
class ShadowTrainerTest {
  private static Dataset counting() {
    return Dataset.of(
        IntStream.range(0, 24)
            .mapToObj(
                row ->
                    Example.of(
                        IntStream.range(0, 5 + row % 3)
                            .mapToLong(t -> 4 + (row + 3L * t) % 36)
                            .toArray()))
            .toList());
  }

  private static PeftModelForCausalLM shadowed(TinyOpt tiny) {
    Randomness.manualSeed(5);
    return Peft.getPeftModel(
        tiny.base(),
        ShadowConfig.builder().r(4).shadowAlpha(0.5).taskType(TaskType.CAUSAL_LM).build());
  }

  private static double trained(PeftModelForCausalLM model, TrainingArguments args) {
    return Trainer.builder()
        .model(model)
        .args(args)
        .trainDataset(counting())
        .build()
        .train()
        .trainingLoss();
  }

  private static TrainingArguments.Builder arguments(Path folder) {
    return TrainingArguments.builder()
        .outputDir(folder.toString())
        .maxSteps(8)
        .learningRate(0.02)
        .perDeviceTrainBatchSize(6);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void learnsAndIsLoadedAgain(boolean bf16, @TempDir Path folder) {
    try (TinyOpt tiny = new TinyOpt();
        PeftModelForCausalLM model = shadowed(tiny)) {
      float[] before = tiny.logits(model).toFloats();
      double first = trained(model, arguments(folder).maxSteps(1).bf16(bf16).build());
      double later = trained(model, arguments(folder).maxSteps(30).bf16(bf16).build());
      assertTrue(later < first, later + " after " + first);
      assertTrue(model.shadow().lastShadowLoss().isPresent());
      model.eval();
      float[] after = tiny.logits(model).to(DType.FLOAT32).toFloats();
      assertFalse(Arrays.equals(before, after));
      model.savePretrained(folder);
      try (TinyOpt other = new TinyOpt();
          PeftModelForCausalLM loaded = PeftModel.fromPretrained(other.base(), folder.toString())) {
        assertArrayEquals(
            after, other.logits(loaded).toFloats(), bf16 ? 0.1f : 1e-6f, "loaded again");
      }
    }
  }

  @Test
  void stepsInPartsAreTheSame(@TempDir Path folder) {
    double[] losses = new double[2];
    for (int parts = 1; parts <= 2; parts++) {
      try (TinyOpt tiny = new TinyOpt();
          PeftModelForCausalLM model = shadowed(tiny)) {
        losses[parts - 1] =
            trained(
                model,
                arguments(folder)
                    .maxSteps(1)
                    .perDeviceTrainBatchSize(6 / parts)
                    .gradientAccumulationSteps(parts)
                    .build());
      }
    }
    assertEquals(losses[0], losses[1], 1e-5);
  }
}
