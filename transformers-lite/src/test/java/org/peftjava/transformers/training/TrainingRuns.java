package org.peftjava.transformers.training;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.TensorLedger;
import org.peftjava.transformers.CausalLM;

/**
 * Runs of a tiny model into a temporary folder; each test must leave as many tensors as it found.
 */
abstract class TrainingRuns {
  static final Dataset DATA = Dataset.of(TinyModels.counting(11));

  @TempDir Path folder;

  private long liveBefore;

  @BeforeEach
  void countBefore() {
    liveBefore = TensorLedger.liveTensors();
  }

  @AfterEach
  void nothingLeft() {
    assertEquals(liveBefore, TensorLedger.liveTensors(), TensorLedger.summary());
  }

  /** 11 examples in batches of 2, two batches a step: 3 steps an epoch, the last one shorter. */
  TrainingArguments.Builder arguments() {
    return TrainingArguments.builder()
        .outputDir(folder)
        .perDeviceTrainBatchSize(2)
        .gradientAccumulationSteps(2)
        .learningRate(0.01)
        .lrSchedulerType(SchedulerType.COSINE)
        .warmupRatio(0.2)
        .weightDecay(0.1)
        .maxSteps(9)
        .loggingSteps(2)
        .saveSteps(5);
  }

  static Trainer trainer(CausalLM model, TrainingArguments args, TrainerCallback... callbacks) {
    return Trainer.builder()
        .model(model)
        .args(args)
        .trainDataset(DATA)
        .evalDataset(DATA)
        .callbacks(callbacks)
        .build();
  }

  List<String> names() {
    return names(folder);
  }

  static List<String> names(Path folder) {
    try (Stream<Path> entries = Files.list(folder)) {
      return entries.map(path -> path.getFileName().toString()).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Three steps over the examples in their order, four in each; nothing is saved. */
  static TrainingArguments.Builder threeSteps() {
    return TrainingArguments.builder()
        .perDeviceTrainBatchSize(2)
        .gradientAccumulationSteps(2)
        .learningRate(0.01)
        .weightDecay(0.1)
        .maxSteps(3)
        .loggingSteps(1)
        .saveStrategy(SaveStrategy.NO)
        .trainSamplingStrategy(SamplingStrategy.SEQUENTIAL);
  }
}
