package org.peftjava.transformers.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.tokenizer.Side;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Optimizer steps against the same arithmetic written out. */
class StepArithmeticTest extends TrainingRuns {
  /** Three steps against the same arithmetic written out: sums of token losses, two groups. */
  @Test
  void threeStepsEqualTheArithmeticWrittenOut() {
    List<Example> examples = TinyModels.counting(12);
    List<Double> expected = new ArrayList<>();
    Map<String, float[]> weights;
    try (CausalLM model = TinyModels.opt(0)) {
      model.train(true);
      Map<String, Parameter> decayed = new LinkedHashMap<>(model.namedParameters());
      Map<String, Parameter> plain = new LinkedHashMap<>(decayed);
      plain.keySet().removeIf(name -> !name.contains("bias") && !name.contains("layer_norm"));
      decayed.keySet().removeAll(plain.keySet());
      assertTrue(decayed.containsKey("model.decoder.layers.0.fc1.weight"));
      try (AdamW first = new AdamW(decayed, new AdamW.Options(0, 0.9, 0.999, 1e-8, 0.1));
          AdamW second = new AdamW(plain, new AdamW.Options(0, 0.9, 0.999, 1e-8, 0))) {
        for (int step = 0; step < 3; step++) {
          expected.add(writtenOutStep(model, examples.subList(4 * step, 4 * step + 4)));
          for (AdamW optimizer : List.of(first, second)) {
            optimizer.learningRate(0.01 * (3 - step) / 3);
            optimizer.step();
            optimizer.zeroGrad();
          }
        }
      }
      weights = TinyModels.weights(model);
    }
    try (CausalLM model = TinyModels.opt(0)) {
      Trainer trainer =
          Trainer.builder()
              .model(model)
              .args(threeSteps().build())
              .trainDataset(Dataset.of(examples))
              .build();
      TrainOutput output = trainer.train();
      List<Double> losses = new ArrayList<>(TinyModels.losses(trainer.state()).values());
      for (int step = 0; step < 3; step++) {
        assertEquals(expected.get(step), losses.get(step), 2e-6);
      }
      assertEquals(
          expected.stream().mapToDouble(Double::doubleValue).average().orElseThrow(),
          output.trainingLoss(),
          2e-6);
      assertClose(weights, TinyModels.weights(model));
      assertEquals(3, output.globalStep());
      assertFalse(model.isTraining());
    }
  }

  /** One batch of four rows; clips to norm 1 by hand; returns the mean loss of its tokens. */
  private static double writtenOutStep(CausalLM model, List<Example> examples) {
    TokenBatch batch = new DataCollatorForLanguageModeling(1, 1, Side.RIGHT).collate(examples);
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor loss = model.forward(ModelInput.of(batch, Device.CPU)).loss().orElseThrow();
      loss.backward();
      double squares = 0;
      for (Parameter parameter : model.namedParameters().values()) {
        for (float g : parameter.tensor().grad().orElseThrow().toFloats()) {
          squares += (double) g * g;
        }
      }
      double norm = Math.sqrt(squares);
      assertTrue(norm > 1, "the case should clip, the norm is " + norm);
      for (Parameter parameter : model.namedParameters().values()) {
        parameter.tensor().grad().orElseThrow().mulInPlace(1 / (norm + 1e-6));
      }
      return loss.toDouble();
    }
  }

  @Test
  void accumulationEqualsOneLargeBatch() {
    List<Example> examples = TinyModels.counting(12);
    List<Map<String, float[]>> results = new ArrayList<>();
    for (int[] shape : new int[][] {{2, 2}, {4, 1}, {1, 4}}) {
      try (CausalLM model = TinyModels.opt(0)) {
        Trainer.builder()
            .model(model)
            .args(
                threeSteps()
                    .perDeviceTrainBatchSize(shape[0])
                    .gradientAccumulationSteps(shape[1])
                    .build())
            .trainDataset(Dataset.of(examples))
            .build()
            .train();
        results.add(TinyModels.weights(model));
      }
    }
    assertClose(results.get(0), results.get(1));
    assertClose(results.get(0), results.get(2));
  }

  /**
   * A key's bias moves all scores of a query alike, so its true gradient is 0; Adam scales the
   * rounding error that is left to full steps, and nothing can be said about where it goes.
   */
  private static void assertClose(Map<String, float[]> expected, Map<String, float[]> actual) {
    assertEquals(expected.keySet(), actual.keySet());
    expected.forEach(
        (name, value) -> {
          if (!name.endsWith("k_proj.bias")) {
            assertArrayEquals(value, actual.get(name), 2e-5f, name);
          }
        });
  }

  @Test
  void gradientCheckpointingChangesNothing() {
    List<Map<Integer, Double>> losses = new ArrayList<>();
    for (boolean checkpointing : new boolean[] {false, true}) {
      try (CausalLM model = TinyModels.opt(0.1)) {
        Trainer trainer =
            Trainer.builder()
                .model(model)
                .args(threeSteps().gradientCheckpointing(checkpointing).build())
                .trainDataset(Dataset.of(TinyModels.counting(12)))
                .build();
        trainer.train();
        losses.add(TinyModels.losses(trainer.state()));
      }
    }
    assertEquals(losses.get(0), losses.get(1));
  }

  @Test
  void sgdTrainsToo() {
    try (CausalLM model = TinyModels.opt(0)) {
      Map<String, float[]> before = TinyModels.weights(model);
      Trainer trainer =
          Trainer.builder()
              .model(model)
              .args(
                  threeSteps()
                      .optim(OptimizerNames.SGD)
                      .lrSchedulerType(SchedulerType.CONSTANT)
                      .learningRate(0.5)
                      .maxSteps(1)
                      .maxGradNorm(1)
                      .weightDecay(0)
                      .build())
              .trainDataset(Dataset.of(TinyModels.counting(4)))
              .build();
      trainer.train();
      double moved = 0;
      for (Map.Entry<String, float[]> entry : TinyModels.weights(model).entrySet()) {
        float[] old = before.get(entry.getKey());
        for (int i = 0; i < old.length; i++) {
          moved += Math.pow(entry.getValue()[i] - old[i], 2);
        }
      }
      assertEquals(0.5, Math.sqrt(moved), 1e-4, "a clipped step is learning rate long");
    }
  }
}
