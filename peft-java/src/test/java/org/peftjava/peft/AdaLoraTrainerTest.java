package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.tuner.lora.adalora.AdaLoraConfig;
import org.peftjava.torch.Randomness;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.Example;
import org.peftjava.transformers.training.Trainer;
import org.peftjava.transformers.training.TrainerCallback;
import org.peftjava.transformers.training.TrainingArguments;
import org.peftjava.transformers.training.TrainingProgress;

/** AdaLoRA in the Trainer: the hook between the optimizer's step and the end of its gradients. */
@ExtendWith(LedgerCheck.class)
class AdaLoraTrainerTest {
  private TinyOpt tiny;

  @BeforeEach
  void open() {
    tiny = new TinyOpt();
  }

  @AfterEach
  void close() {
    tiny.close();
  }

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

  private static TrainingArguments.Builder arguments(Path folder) {
    return TrainingArguments.builder()
        .outputDir(folder.toString())
        .maxSteps(8)
        .saveSteps(4)
        .learningRate(0.05)
        .perDeviceTrainBatchSize(6);
  }

  private float[] trainedBy(TrainingArguments args, TrainerCallback... callbacks) {
    Randomness.manualSeed(5);
    try (PeftModelForCausalLM model =
        Peft.getPeftModel(tiny.base(), AdaLoraTest.builder().build())) {
      Trainer.builder()
          .model(model)
          .args(args)
          .trainDataset(counting())
          .callbacks(callbacks)
          .build()
          .train();
      assertEquals(4, kept(model));
      return tiny.logits(model).toFloats();
    }
  }

  private static long kept(PeftModel model) {
    return ((AdaLoraConfig) model.peftConfig().get("default"))
        .rankPattern().values().stream().flatMap(List::stream).filter(each -> each).count();
  }

  @Test
  void theTrainerSharesOutRanksAndResumes(@TempDir Path folder) {
    float[] whole = trainedBy(arguments(folder).build());
    Path checkpoint = folder.resolve("checkpoint-4");
    assertTrue(Files.isRegularFile(checkpoint.resolve("training_hook.safetensors")));
    assertArrayEquals(whole, trainedBy(arguments(folder).resumeFromCheckpoint(checkpoint).build()));
    try (PeftModelForCausalLM model =
        PeftModel.fromPretrained(tiny.base(), folder.resolve("checkpoint-8").toString())) {
      assertArrayEquals(whole, tiny.logits(model).toFloats(), 2e-6f);
    }
  }

  @Test
  void aStepIsTheSameInSmallerBatchesAndWithPythonsCallback(@TempDir Path folder) {
    float[] whole = trainedBy(arguments(folder).build());
    TrainingArguments split =
        arguments(folder).perDeviceTrainBatchSize(2).gradientAccumulationSteps(3).build();
    assertArrayEquals(whole, trainedBy(split), 1e-3f);
    int[] calls = new int[2];
    trainedBy(
        arguments(folder).build(),
        new TrainerCallback() {
          @Override
          public void onPreOptimizerStep(TrainingProgress progress) {
            assertEquals(calls[0]++, progress.state().globalStep());
          }

          @Override
          public void onOptimizerStep(TrainingProgress progress) {
            assertEquals(calls[1]++, progress.state().globalStep());
          }
        });
    assertArrayEquals(new int[] {8, 8}, calls);
  }
}
