package org.peftjava.transformers.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.peftjava.transformers.CausalLM;

/** What checkpoints hold, what a failure leaves, and whose folders are deleted. */
class CheckpointTest extends TrainingRuns {
  @Test
  void theStateHasTransformersFields() throws IOException {
    try (CausalLM model = TinyModels.opt(0)) {
      trainer(model, arguments().evalStrategy(IntervalStrategy.EPOCH).build()).train();
    }
    JsonNode state =
        new ObjectMapper().readTree(folder.resolve("checkpoint-9/trainer_state.json").toFile());
    assertEquals(20, state.size());
    assertEquals(9, state.path("global_step").asInt());
    assertEquals(3.0, state.path("epoch").asDouble());
    assertTrue(state.path("best_metric").isNull());
    JsonNode first = state.path("log_history").path(0);
    assertEquals(2, first.path("step").asInt());
    assertTrue(first.path("step").isIntegralNumber());
    assertEquals(4 / 6.0, first.path("epoch").asDouble(), 1e-12);
    assertEquals(0.01 * 1 / 2, first.path("learning_rate").asDouble(), 1e-12);
    assertTrue(first.path("grad_norm").asDouble() > 0);
    assertTrue(state.path("log_history").path(1).path("eval_loss").asDouble() > 0);
  }

  @Test
  void onlyOwnCheckpointsAreDeleted() throws IOException {
    Path foreign = Files.createDirectories(folder.resolve("checkpoint-70"));
    Files.writeString(foreign.resolve("note"), "mine");
    Path text = Files.writeString(folder.resolve("checkpoint-71"), "a file");
    try (CausalLM model = TinyModels.opt(0)) {
      trainer(model, arguments().saveSteps(1).maxSteps(6).saveTotalLimit(2).build()).train();
      assertEquals(
          List.of("checkpoint-5", "checkpoint-6", "checkpoint-70", "checkpoint-71"), names());
      assertTrue(Files.exists(foreign.resolve("note")));
      assertTrue(Files.exists(text));

      Path earlier = folder.resolve("checkpoint-5");
      trainer(model, arguments().saveSteps(2).maxSteps(4).saveTotalLimit(1).build()).train();
      assertTrue(Files.exists(earlier), "another run's checkpoint stays");
      assertFalse(Files.exists(folder.resolve("checkpoint-2")));
    }
  }

  @Test
  void foreignFilesInTheWayAreNamedBeforeTraining() throws IOException {
    Files.writeString(folder.resolve("checkpoint-3"), "a file");
    try (CausalLM model = TinyModels.opt(0)) {
      Trainer trainer = trainer(model, arguments().build());
      var error = assertThrows(IllegalArgumentException.class, trainer::train);
      assertTrue(error.getMessage().contains("checkpoint-3 was not written"), error.getMessage());
      assertEquals(0, trainer.state().globalStep());
    }
  }

  @Test
  void anOutputFolderThatCannotBeWrittenIsNamedBeforeTraining() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "");
    try (CausalLM model = TinyModels.opt(0)) {
      Trainer trainer = trainer(model, arguments().outputDir(file.resolve("out")).build());
      var error = assertThrows(UncheckedIOException.class, trainer::train);
      assertTrue(error.getMessage().contains("cannot be written"), error.getMessage());
    }
  }

  @Test
  void aFailedSaveKeepsWhatWasThere() {
    try (CausalLM model = TinyModels.opt(0)) {
      trainer(model, arguments().maxSteps(5).build()).train();
      Map<String, float[]> saved = TinyModels.weights(model);
      TrainerCallback bomb =
          new TrainerCallback() {
            @Override
            public void onStepEnd(TrainingProgress progress) {
              if (progress.state().globalStep() == 7) {
                throw new IllegalStateException("bomb");
              }
            }
          };
      Trainer broken = trainer(model, arguments().resumeFromCheckpoint(true).build(), bomb);
      assertThrows(IllegalStateException.class, broken::train);
      assertEquals(List.of("checkpoint-5"), names());
      model.loadWeights(folder.resolve("checkpoint-5"));
      TinyModels.weights(model)
          .forEach((name, values) -> assertArrayEquals(saved.get(name), values, name));
    }
  }

  @Test
  void theBestModelComesBack() {
    try (CausalLM model = TinyModels.opt(0)) {
      Map<Integer, Map<String, float[]>> atStep = new LinkedHashMap<>();
      Trainer trainer =
          trainer(
              model,
              arguments()
                  .learningRate(0.3)
                  .maxGradNorm(0)
                  .lrSchedulerType(SchedulerType.CONSTANT)
                  .maxSteps(8)
                  .evalStrategy(IntervalStrategy.STEPS)
                  .evalSteps(1)
                  .saveStrategy(SaveStrategy.BEST)
                  .saveTotalLimit(1)
                  .loadBestModelAtEnd(true)
                  .build(),
              new TrainerCallback() {
                @Override
                public void onEvaluate(TrainingProgress progress, Map<String, Double> metrics) {
                  atStep.put(progress.state().globalStep(), TinyModels.weights(model));
                }
              });
      trainer.train();
      int best = trainer.state().bestGlobalStep().orElseThrow();
      double lowest =
          trainer.state().logHistory().stream()
              .filter(line -> line.containsKey("eval_loss"))
              .mapToDouble(line -> line.get("eval_loss"))
              .min()
              .orElseThrow();
      assertEquals(lowest, trainer.state().bestMetric().orElseThrow());
      assertEquals(lowest, trainer.evaluate().get("eval_loss"), 1e-6);
      TinyModels.weights(model)
          .forEach((name, values) -> assertArrayEquals(atStep.get(best).get(name), values, name));
      assertEquals(List.of("checkpoint-" + best), names());
    }
  }
}
