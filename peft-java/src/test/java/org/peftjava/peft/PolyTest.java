package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.multitaskprompttuning.MultitaskPromptTuningConfig;
import org.peftjava.peft.tuner.poly.PolyConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.Example;
import org.peftjava.transformers.training.Trainer;
import org.peftjava.transformers.training.TrainingArguments;

/** Poly, and how tasks reach adapters; the numbers of evaluation are in the tuner goldens. */
@ExtendWith(LedgerCheck.class)
class PolyTest {
  private static final PolyConfig CONFIG =
      PolyConfig.builder()
          .r(3)
          .nTasks(2)
          .nSkills(2)
          .nSplits(2)
          .initWeights(false)
          .targetModules("v_proj")
          .build();

  private static Map<String, Tensor> training() {
    return Goldens.tensors("poly_training/io.safetensors");
  }

  private static Tensor logits(PeftModelForCausalLM model, ModelInput input) {
    try (GradMode off = GradMode.noGrad()) {
      return model.forward(input).logits().orElseThrow();
    }
  }

  private static ModelInput input(TunerCase tuner, long... tasks) {
    return tuner.input(false).toBuilder().taskIds(Creation.ofLongs(tasks, tasks.length)).build();
  }

  private static void refused(String message, PeftModelForCausalLM model, ModelInput input) {
    IllegalArgumentException error =
        assertThrows(IllegalArgumentException.class, () -> logits(model, input));
    assertTrue(error.getMessage().contains(message), error.getMessage());
  }

  /** By the CPU's generator; a card has another. */
  @Test
  void sharesAreDrawnAsInPythonWhileTraining() {
    Device usual = Device.defaultDevice();
    Device.setDefaultDevice(Device.CPU);
    try (TunerCase tuner = new TunerCase("tuner_poly");
        PeftModelForCausalLM model = tuner.load()) {
      model.train(true);
      Randomness.manualSeed(5);
      Goldens.assertClose(
          training().get("drawn.logits"),
          logits(model, tuner.input(false)),
          tuner.tolerance("forward"),
          "drawn");
    } finally {
      Device.setDefaultDevice(usual);
    }
  }

  @Test
  void aFreshAdapterIsPythons() {
    try (TunerCase tuner = new TunerCase("tuner_poly")) {
      Randomness.manualSeed(6);
      try (PeftModelForCausalLM model = Peft.getPeftModel(tuner.base(), CONFIG)) {
        Map<String, Tensor> expected = training();
        model.namedParameters().entrySet().stream()
            .filter(entry -> entry.getValue().requiresGrad())
            .forEach(
                entry ->
                    Goldens.assertClose(
                        expected.get("fresh." + entry.getKey()),
                        entry.getValue().tensor(),
                        0,
                        entry.getKey()));
        assertEquals(6, model.getLayerStatus().size() * 3);
      }
    }
  }

  @Test
  void eachRowHasItsTask() {
    try (TunerCase tuner = new TunerCase("tuner_poly");
        PeftModelForCausalLM model = tuner.load()) {
      Tensor mixed = logits(model, input(tuner, 2, 0));
      assertArrayEquals(
          logits(model, input(tuner, 2, 2)).select(0, 0).toFloats(),
          mixed.select(0, 0).toFloats(),
          1e-5f);
      assertArrayEquals(
          logits(model, input(tuner, 0, 0)).select(0, 1).toFloats(),
          mixed.select(0, 1).toFloats(),
          1e-5f);
      assertFalse(
          Arrays.equals(
              mixed.select(0, 0).toFloats(),
              logits(model, input(tuner, 1, 0)).select(0, 0).toFloats()));
      refused("taskIds contain 3. Expected 0 to 2", model, input(tuner, 0, 3));
      refused("taskIds contain -1", model, input(tuner, 0, -1));
      refused("taskIds has 3 numbers, but a layer got 2 rows", model, input(tuner, 0, 1, 2));
      refused(
          "taskIds are missing. Poly needs the task of each row, a number from 0 to 2",
          model,
          tuner.input(false).toBuilder().taskIds(null).build());
      refused(
          "Expected one int64 for each row",
          model,
          tuner.input(false).toBuilder().taskIds(Creation.ofFloats(new float[2], 2)).build());
      assertThrows(UnsupportedOperationException.class, model::mergeAdapter);
    }
  }

  @Test
  void partsMustDivideTheLayers() {
    try (TunerCase tuner = new TunerCase("tuner_poly")) {
      assertTrue(
          assertThrows(
                  IllegalArgumentException.class,
                  () -> Peft.getPeftModel(tuner.base(), CONFIG.with("n_splits", 3)))
              .getMessage()
              .contains("nSplits must divide the 16 features of model.decoder.layers.0"));
    }
  }

  @Test
  void tasksOfAPassReplaceThoseOfTheInput() {
    try (TunerCase tuner = new TunerCase("tuner_poly");
        PeftModelForCausalLM model = tuner.load();
        GradMode off = GradMode.noGrad()) {
      float[] expected = model.forward(input(tuner, 2, 0)).logits().orElseThrow().toFloats();
      PassOptions options = PassOptions.builder().taskIds(2, 0).build();
      for (ModelInput input : List.of(input(tuner, 1, 1), untold(tuner))) {
        assertArrayEquals(
            expected, model.forward(input, options).logits().orElseThrow().toFloats());
      }
      PassOptions names = PassOptions.builder().adapterNames("default", "default").build();
      assertThrows(UnsupportedOperationException.class, () -> model.forward(untold(tuner), names));
    }
  }

  private static ModelInput untold(TunerCase tuner) {
    return tuner.input(false).toBuilder().taskIds(null).build();
  }

  @Test
  void beamsHaveTheTaskOfTheirText() {
    try (TunerCase tuner = new TunerCase("tuner_poly");
        PeftModelForCausalLM model = tuner.load()) {
      TokenBatch batch = tuner.prompts();
      long[][] together =
          model.generate(batch, g -> g.maxNewTokens(5).numBeams(3).eosTokenId()).ids();
      for (int row = 0; row < 2; row++) {
        TokenBatch alone =
            TokenBatch.of(
                new long[][] {batch.inputIds()[row]}, new long[][] {batch.attentionMask()[row]});
        long[] task = {batch.taskIds().orElseThrow()[row]};
        assertArrayEquals(
            together[row],
            model.generate(
                    alone,
                    g -> g.maxNewTokens(5).numBeams(3).eosTokenId(),
                    PassOptions.builder().taskIds(task).build())
                .ids()[0]);
      }
    }
  }

  /** OPT's feed-forward layers get tokens as rows; its head sees only what counts. */
  @Test
  void layersOfTokensAndHeadsKnowTheRows() {
    try (TunerCase tuner = new TunerCase("tuner_poly");
        PeftModelForCausalLM model =
            Peft.getPeftModel(
                tuner.base(),
                CONFIG.with("target_modules", List.of("fc1", "lm_head")).with("n_tasks", 3))) {
      model.eval();
      Tensor mixed = logits(model, input(tuner, 2, 0));
      assertArrayEquals(
          logits(model, input(tuner, 2, 2)).select(0, 0).toFloats(),
          mixed.select(0, 0).toFloats(),
          1e-5f);
      ModelInput learned = tuner.input(true);
      double whole =
          model
              .forward(learned.toBuilder().outputLogits(true).build())
              .loss()
              .orElseThrow()
              .toDouble();
      assertEquals(whole, tuner.loss(model).toDouble(), 1e-6);
    }
  }

  /** Texts whose next tokens depend on their task alone. */
  private static List<Example> texts() {
    return IntStream.range(0, 24)
        .mapToObj(
            i ->
                Example.ofCompletion(
                        new long[] {2, 5, 6}, i % 2 == 0 ? new long[] {8, 9} : new long[] {20, 21})
                    .withTaskId(i % 2))
        .toList();
  }

  private static double loss(PeftModelForCausalLM model, long first, long second) {
    long[][] ids = {{2, 5, 6, 8, 9}, {2, 5, 6, 20, 21}};
    long[][] labels = {{-100, -100, -100, 8, 9}, {-100, -100, -100, 20, 21}};
    TokenBatch batch = TokenBatch.of(ids).withLabels(labels).withTaskIds(first, second);
    try (GradMode off = GradMode.noGrad()) {
      return model.forward(ModelInput.of(batch, Device.CPU)).loss().orElseThrow().toDouble();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"POLY", "MULTITASK_PROMPT_TUNING"})
  void theTrainerGivesTasksToTheModel(String method, @TempDir Path folder) {
    TunerConfig config =
        method.equals("POLY")
            ? CONFIG
            : MultitaskPromptTuningConfig.builder()
                .numVirtualTokens(4)
                .numTasks(2)
                .numRanks(2)
                .build();
    try (TunerCase tuner = new TunerCase("tuner_poly")) {
      Randomness.manualSeed(3);
      try (PeftModelForCausalLM model = Peft.getPeftModel(tuner.base(), config)) {
        Trainer.builder()
            .model(model)
            .args(
                TrainingArguments.builder()
                    .outputDir(folder.toString())
                    .maxSteps(60)
                    .learningRate(0.1)
                    .perDeviceTrainBatchSize(8)
                    .gradientCheckpointing(true)
                    .build())
            .trainDataset(Dataset.of(texts()))
            .build()
            .train();
        model.eval();
        double right = loss(model, 0, 1);
        double wrong = loss(model, 1, 0);
        assertTrue(right < wrong / 2, right + " of " + wrong);
      }
    }
  }
}
