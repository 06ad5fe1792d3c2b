package org.peftjava.transformers.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.DType;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.tokenizer.Side;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** What a run does step by step, and what it leaves behind. */
class TrainerTest extends TrainingRuns {
  @Test
  void theLossFalls() {
    try (CausalLM model = TinyModels.opt(0)) {
      Trainer trainer =
          Trainer.builder()
              .model(model)
              .args(
                  threeSteps()
                      .maxSteps(-1)
                      .numTrainEpochs(2.5)
                      .loggingSteps(3)
                      .trainSamplingStrategy(SamplingStrategy.RANDOM)
                      .warmupSteps(2)
                      .build())
              .trainDataset(Dataset.of(TinyModels.counting(42)))
              .build();
      TrainOutput output = trainer.train();
      Map<Integer, Double> losses = TinyModels.losses(trainer.state());
      assertEquals(28, output.globalStep(), "11 steps an epoch, 2.5 epochs, rounded up");
      assertEquals(Set.of(3, 6, 9, 12, 15, 18, 21, 24, 27), losses.keySet());
      assertTrue(losses.get(27) < 0.8 * losses.get(3), losses.toString());
      assertEquals(2 + 12 / 21.0, trainer.state().epoch(), 1e-12);
      assertTrue(output.metrics().get("train_tokens_per_second") > 0);
    }
  }

  /** Frozen weights become bfloat16, the trained ones stay float32, and the loss still falls. */
  @Test
  void bf16ConvertsFrozenWeightsOnly() {
    try (CausalLM model = TinyModels.opt(0)) {
      model
          .namedParameters()
          .forEach((name, p) -> p.requiresGrad(name.startsWith("model.decoder.final_layer_norm")));
      Trainer trainer =
          Trainer.builder()
              .model(model)
              .args(threeSteps().bf16(true).maxSteps(30).learningRate(0.1).build())
              .trainDataset(Dataset.of(TinyModels.counting(4)))
              .build();
      trainer.train();
      model
          .namedParameters()
          .forEach(
              (name, p) ->
                  assertEquals(
                      name.startsWith("model.decoder.final_layer_norm")
                          ? DType.FLOAT32
                          : DType.BFLOAT16,
                      p.dtype(),
                      name));
      Map<Integer, Double> losses = TinyModels.losses(trainer.state());
      assertTrue(losses.get(30) < 0.9 * losses.get(1), losses.toString());
    }
  }

  @Test
  void aFailureMidStepLeavesNothingBehind() {
    try (CausalLM model = TinyModels.opt(0)) {
      long withModel = TensorLedger.liveTensors();
      DataCollator plain = new DataCollatorForLanguageModeling(1, 1, Side.RIGHT);
      int[] calls = {0};
      Trainer trainer =
          Trainer.builder()
              .model(model)
              .args(threeSteps().build())
              .trainDataset(Dataset.of(TinyModels.counting(12)))
              .dataCollator(
                  examples -> {
                    TokenBatch batch = plain.collate(examples);
                    if (++calls[0] == 4) { // the second micro batch of the second step
                      batch.labels().orElseThrow()[1][2] = 99_999;
                    }
                    return batch;
                  })
              .build();
      var error = assertThrows(IllegalArgumentException.class, trainer::train);
      assertTrue(error.getMessage().contains("99999"), error.getMessage());
      assertEquals(withModel, TensorLedger.liveTensors());
      try (TensorScope scope = TensorScope.open("test")) {
        model.namedParameters().forEach((name, p) -> assertTrue(p.tensor().grad().isEmpty(), name));
      }
      assertEquals(1, trainer.state().globalStep());
      calls[0] = 100;
      assertEquals(3, trainer.train().globalStep(), "the trainer can be used again");
    }
  }

  @Test
  void liveTensorsStayConstant() {
    try (CausalLM model = TinyModels.opt(0.1)) {
      Map<Integer, Long> live = new LinkedHashMap<>();
      Trainer.builder()
          .model(model)
          .args(threeSteps().maxSteps(12).build())
          .trainDataset(Dataset.of(TinyModels.counting(12)))
          .callbacks(
              new TrainerCallback() {
                @Override
                public void onStepEnd(TrainingProgress progress) {
                  live.put(progress.state().globalStep(), TensorLedger.liveTensors());
                }
              })
          .build()
          .train();
      assertEquals(live.get(3), live.get(12));
    }
  }

  @Test
  void aNonFiniteGradientStopsBeforeTheWeights() {
    try (CausalLM model = TinyModels.opt(0)) {
      Trainer trainer =
          Trainer.builder()
              .model(model)
              .args(
                  threeSteps()
                      .maxSteps(10)
                      .learningRate(1e30)
                      .lrSchedulerType(SchedulerType.CONSTANT)
                      .build())
              .trainDataset(Dataset.of(TinyModels.counting(12)))
              .build();
      var error = assertThrows(NonFiniteLossException.class, trainer::train);
      assertEquals(trainer.state().globalStep(), error.globalStep());
      assertNotEquals(0, error.globalStep());
      assertTrue(error.getMessage().contains("learning rate 1.0E30"), error.getMessage());
      TinyModels.weights(model)
          .forEach(
              (name, values) -> {
                for (float value : values) {
                  assertTrue(Float.isFinite(value), name);
                }
              });
    }
  }

  @Test
  void callbacksStopAndSeeTheProgress() {
    try (CausalLM model = TinyModels.opt(0)) {
      List<String> events = new ArrayList<>();
      TrainerCallback callback =
          new TrainerCallback() {
            @Override
            public void onTrainBegin(TrainingProgress progress) {
              events.add("begin " + progress.state().maxSteps() + progress.remaining());
            }

            @Override
            public void onStepEnd(TrainingProgress progress) {
              events.add("step " + progress.sessionSteps());
              assertTrue(progress.tokensPerSecond() > 0);
              assertTrue(progress.remaining().isPresent());
              if (progress.state().globalStep() == 2) {
                progress.control().requestTrainingStop();
              }
            }

            @Override
            public void onEvaluate(TrainingProgress progress, Map<String, Double> metrics) {
              events.add("evaluated " + metrics.containsKey("eval_loss"));
            }

            @Override
            public void onTrainEnd(TrainingProgress progress) {
              events.add("end " + progress.state().globalStep());
            }
          };
      Dataset data = Dataset.of(TinyModels.counting(12));
      TrainOutput output =
          Trainer.builder()
              .model(model)
              .args(threeSteps().evalStrategy(IntervalStrategy.STEPS).evalSteps(2).build())
              .trainDataset(data)
              .evalDataset(data)
              .callbacks(callback)
              .build()
              .train();
      assertEquals(
          List.of("begin 3Optional.empty", "step 1", "step 2", "evaluated true", "end 2"), events);
      assertFalse(output.cancelled());
      assertEquals(2, output.globalStep());
    }
  }
}
