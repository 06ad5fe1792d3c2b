package org.peftjava.transformers.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.peftjava.transformers.CausalLM;

/** What is refused before training starts, and in which words. */
class BadInputTest {
  private static String refused(Dataset data, TrainingArguments.Builder args) {
    try (CausalLM model = TinyModels.opt(0)) {
      Trainer trainer =
          Trainer.builder()
              .model(model)
              .args(args.saveStrategy(SaveStrategy.NO).build())
              .trainDataset(data)
              .build();
      String message = assertThrows(IllegalArgumentException.class, trainer::train).getMessage();
      assertEquals(0, trainer.state().globalStep());
      return message;
    }
  }

  private static String refused(Example... examples) {
    return refused(Dataset.of(List.of(examples)), TrainingArguments.builder());
  }

  @Test
  void datasets() {
    assertContains(refused(), "training dataset is empty");
    assertContains(
        refused(Example.of(4, 5), Example.of(new long[33])), "Example 1 ", "33 tokens", "32");
    assertContains(
        refused(Example.of(4, 40)), "Example 0 ", "token 40 at position 1", "vocabulary of 40");
    assertContains(
        refused(new Example(new long[] {4, 5}, new long[] {4, -1})), "label -1 at position 1");
    assertContains(refused(Example.of()), "has no tokens");
    assertContains(
        refused(new Example(new long[] {4, 5}, new long[] {4, -100})), "No token", "counts");
    assertContains(
        refused(
            Dataset.of(List.of(Example.of(4, 5))),
            TrainingArguments.builder().dataloaderDropLast(true)),
        "less than one batch of 8");
    assertContains(
        refused(
            Dataset.of(List.of(Example.of(4, 5))),
            TrainingArguments.builder().evalStrategy(IntervalStrategy.EPOCH)),
        "evalDataset");
    assertThrows(
        IllegalArgumentException.class, () -> new Example(new long[] {1, 2}, new long[] {1}));
  }

  @Test
  void frozenModels() {
    try (CausalLM model = TinyModels.opt(0)) {
      model.requiresGrad(false);
      Trainer trainer =
          Trainer.builder()
              .model(model)
              .args(TrainingArguments.builder().saveStrategy(SaveStrategy.NO).build())
              .trainDataset(Dataset.of(TinyModels.counting(2)))
              .build();
      assertContains(
          assertThrows(IllegalArgumentException.class, trainer::train).getMessage(),
          "no trainable parameter");
    }
  }

  @Test
  void arguments() {
    TrainingArguments.Builder builder = TrainingArguments.builder();
    assertThrows(IllegalArgumentException.class, () -> builder.perDeviceTrainBatchSize(0).build());
    builder.perDeviceTrainBatchSize(1);
    assertThrows(IllegalArgumentException.class, () -> builder.learningRate(-1).build());
    builder.learningRate(Double.NaN);
    assertThrows(IllegalArgumentException.class, builder::build);
    builder.learningRate(1);
    assertThrows(IllegalArgumentException.class, () -> builder.warmupRatio(1));
    assertThrows(IllegalArgumentException.class, () -> builder.numTrainEpochs(0).build());
    builder.maxSteps(1);
    builder.build();
    assertThrows(IllegalArgumentException.class, () -> builder.loadBestModelAtEnd(true).build());
    builder.evalStrategy(IntervalStrategy.STEPS).evalSteps(3).saveSteps(7);
    assertContains(
        assertThrows(IllegalArgumentException.class, builder::build).getMessage(),
        "STEPS every 7",
        "STEPS every 3");
    builder.saveSteps(6).build();
  }

  @Test
  void evalStepsDefaultToLoggingSteps() {
    assertEquals(7, TrainingArguments.builder().loggingSteps(7).build().evalSteps());
  }

  private static void assertContains(String message, String... parts) {
    for (String part : parts) {
      assertTrue(message.contains(part), () -> "'" + part + "' is not in: " + message);
    }
  }
}
