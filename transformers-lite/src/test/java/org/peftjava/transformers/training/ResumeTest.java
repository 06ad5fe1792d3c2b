package org.peftjava.transformers.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.peftjava.transformers.CausalLM;

/** A resumed run is the same run, and a cancelled one can be resumed. */
class ResumeTest extends TrainingRuns {
  /**
   * With dropout, shuffled data, a log line that spans the checkpoint, and a model of other
   * weights.
   */
  @Test
  void aResumedRunGivesTheSameBits() {
    Map<Integer, Double> losses;
    Map<String, float[]> weights;
    double trainingLoss;
    try (CausalLM model = TinyModels.opt(0.2)) {
      Trainer trainer = trainer(model, arguments().build());
      trainingLoss = trainer.train().trainingLoss();
      losses = TinyModels.losses(trainer.state());
      weights = TinyModels.weights(model);
    }
    assertEquals(new TreeSet<>(List.of(2, 4, 6, 8)), new TreeSet<>(losses.keySet()));
    try (CausalLM model = TinyModels.opt(0.2)) {
      trainer(model, arguments().maxSteps(1).saveStrategy(SaveStrategy.NO).build()).train();
      Trainer trainer =
          trainer(model, arguments().resumeFromCheckpoint(folder.resolve("checkpoint-5")).build());
      TrainOutput output = trainer.train();
      assertEquals(9, output.globalStep());
      assertEquals(losses, TinyModels.losses(trainer.state()));
      assertEquals(trainingLoss, output.trainingLoss());
      TinyModels.weights(model)
          .forEach((name, values) -> assertArrayEquals(weights.get(name), values, name));
    }
  }

  /** What the schedule remembers of evaluations is part of the checkpoint. */
  @Test
  void aScheduleThatGoesByEvaluationsIsResumed() {
    List<Double> rates;
    try (CausalLM model = TinyModels.opt(0)) {
      Trainer trainer = trainer(model, measured().build());
      trainer.train();
      rates = rates(trainer);
    }
    assertTrue(new TreeSet<>(rates).size() > 3, rates::toString);
    try (CausalLM model = TinyModels.opt(0)) {
      Trainer trainer =
          trainer(model, measured().resumeFromCheckpoint(folder.resolve("checkpoint-5")).build());
      trainer.train();
      assertEquals(rates, rates(trainer));
    }
    var error =
        assertThrows(
            IllegalArgumentException.class,
            () -> measured().evalStrategy(IntervalStrategy.NO).build());
    assertTrue(error.getMessage().contains("REDUCE_LR_ON_PLATEAU goes by evaluations"));
  }

  /** Falls after two evaluations that are not ten times better. */
  private TrainingArguments.Builder measured() {
    return arguments()
        .lrSchedulerType(SchedulerType.REDUCE_LR_ON_PLATEAU)
        .lrSchedulerKwargs(Map.of("patience", 1, "threshold", 0.9, "factor", 0.6))
        .evalStrategy(IntervalStrategy.STEPS)
        .evalSteps(1)
        .loggingSteps(1);
  }

  private static List<Double> rates(Trainer trainer) {
    return trainer.state().logHistory().stream()
        .filter(line -> line.containsKey("learning_rate"))
        .map(line -> line.get("learning_rate"))
        .toList();
  }

  @Test
  void resumingFromAFolderTakesTheNewest() {
    try (CausalLM model = TinyModels.opt(0)) {
      trainer(model, arguments().build()).train();
      Trainer again = trainer(model, arguments().resumeFromCheckpoint(true).maxSteps(10).build());
      int[] steps = {0};
      TrainOutput output =
          trainer(
                  model,
                  arguments().resumeFromCheckpoint(true).maxSteps(10).build(),
                  new TrainerCallback() {
                    @Override
                    public void onStepEnd(TrainingProgress progress) {
                      steps[0]++;
                    }
                  })
              .train();
      assertEquals(10, output.globalStep());
      assertEquals(1, steps[0]);
      assertEquals(10, again.train().globalStep(), "a finished run has nothing left to do");
    }
  }

  @Test
  void resumingOverOtherDataIsRefused() {
    try (CausalLM model = TinyModels.opt(0)) {
      trainer(model, arguments().maxSteps(5).build()).train();
      Trainer other =
          trainer(model, arguments().perDeviceTrainBatchSize(4).resumeFromCheckpoint(true).build());
      var error = assertThrows(IllegalArgumentException.class, other::train);
      assertTrue(
          error.getMessage().contains("perDeviceTrainBatchSize=2")
              && error.getMessage().contains("perDeviceTrainBatchSize=4"),
          error.getMessage());
      Trainer nowhere =
          trainer(model, arguments().resumeFromCheckpoint(folder.resolve("none")).build());
      assertTrue(
          assertThrows(IllegalArgumentException.class, nowhere::train)
              .getMessage()
              .contains("no checkpoint to resume from"));
    }
  }

  @Test
  void cancellingFinishesTheStepAndSaves() throws InterruptedException {
    try (CausalLM model = TinyModels.opt(0)) {
      CountDownLatch third = new CountDownLatch(1);
      CountDownLatch asked = new CountDownLatch(1);
      Trainer trainer =
          trainer(
              model,
              arguments().maxSteps(1000).saveSteps(1000).build(),
              new TrainerCallback() {
                @Override
                public void onStepEnd(TrainingProgress progress) {
                  if (progress.state().globalStep() == 3) {
                    third.countDown();
                    await(asked);
                  }
                }
              });
      Thread canceller =
          new Thread(
              () -> {
                await(third);
                trainer.cancel();
                asked.countDown();
              });
      canceller.start();
      TrainOutput output = trainer.train();
      canceller.join();
      assertTrue(output.cancelled());
      assertEquals(3, output.globalStep());
      assertEquals(List.of("checkpoint-3"), names());
      TrainOutput rest =
          trainer(model, arguments().maxSteps(4).resumeFromCheckpoint(true).build()).train();
      assertFalse(rest.cancelled());
      assertEquals(4, rest.globalStep());
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
