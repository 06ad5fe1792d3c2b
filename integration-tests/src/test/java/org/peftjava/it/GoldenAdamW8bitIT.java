package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.peftjava.quant.bnb.AdamW8bit;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.OptimizerNames;
import org.peftjava.transformers.training.TrainOutput;
import org.peftjava.transformers.training.Trainer;
import org.peftjava.transformers.training.TrainingArguments;

/** AdamW with 8-bit state beside the formulas of bitsandbytes, and in the trainer. */
@ExtendWith(NoLeaks.class)
class GoldenAdamW8bitIT {
  private static final List<String> NAMES = List.of("weight", "half", "bias");
  private static final int STEPS = 6;

  @TempDir Path folder;

  @Test
  void stepsAndStateAreThoseOfBitsandbytes() {
    try (TensorScope scope = TensorScope.open("test")) {
      Golden golden = Golden.open("adamw8bit");
      Map<String, Parameter> parameters = parameters(golden);
      try (AdamW8bit optimizer = new AdamW8bit(parameters, options(golden), Set.of())) {
        for (int step = 0; step < STEPS; step++) {
          step(golden, parameters, optimizer, step);
        }
        for (String name : NAMES) {
          Tensor actual = parameters.get(name).tensor();
          assertEquals(golden.get("start." + name).dtype(), actual.dtype());
          assertAlmostAllClose(golden.get("after." + name), actual, name);
        }
        Map<String, Tensor> state = optimizer.stateDict();
        assertEquals(DType.UINT8, state.get("weight.state1").dtype());
        assertEquals(17, state.get("half.absmax2").numel());
        assertEquals(DType.FLOAT32, state.get("bias.state2").dtype());
        assertEquals(STEPS, state.get("bias.step").toLong());
        Golden.assertClose(golden.get("mean.bias"), state.get("bias.state1"), 1e-6, "mean");
      }
      parameters.values().forEach(Parameter::close);
    }
  }

  /** A state that was saved goes on as if it had not been. */
  @Test
  void stateIsRestored() {
    try (TensorScope scope = TensorScope.open("test")) {
      Golden golden = Golden.open("adamw8bit");
      Map<String, Parameter> parameters = parameters(golden);
      try (AdamW8bit first = new AdamW8bit(parameters, options(golden), Set.of());
          AdamW8bit second = new AdamW8bit(parameters, options(golden), Set.of())) {
        for (int step = 0; step < STEPS; step++) {
          step(golden, parameters, step < 3 ? first : second, step);
          if (step == 2) {
            second.loadStateDict(first.stateDict());
          }
        }
        for (String name : NAMES) {
          assertAlmostAllClose(golden.get("after." + name), parameters.get(name).tensor(), name);
        }
        Map<String, Tensor> broken = new LinkedHashMap<>(second.stateDict());
        broken.remove("half.absmax1");
        Refusal.of(folder, () -> first.loadStateDict(broken), "'half' has no absmax1");
      }
      parameters.values().forEach(Parameter::close);
    }
  }

  /** Names that are said to be wide have a float32 state and move as those of the plain AdamW. */
  @Test
  void wideParametersFollowThePlainAdamW() {
    try (TensorScope scope = TensorScope.open("test")) {
      Golden golden = Golden.open("adamw8bit");
      Map<String, Parameter> wide = parameters(golden);
      Map<String, Parameter> plain = parameters(golden);
      try (AdamW8bit first = new AdamW8bit(wide, options(golden), Set.of("weight"));
          AdamW second = new AdamW(plain, options(golden))) {
        for (int step = 0; step < 2; step++) { // the next gradient is broken
          step(golden, wide, first, step);
          step(golden, plain, second, step);
        }
        assertEquals(DType.FLOAT32, first.stateDict().get("weight.state1").dtype());
        // the weight decays after the step, not before
        Golden.assertClose(
            plain.get("weight").tensor(), wide.get("weight").tensor(), 1e-4, "weight");
      }
      wide.values().forEach(Parameter::close);
      plain.values().forEach(Parameter::close);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = OptimizerNames.class,
      names = {"ADAMW_8BIT", "ADAMW_BNB_8BIT", "PAGED_ADAMW_8BIT", "PAGED_ADAMW_32BIT"})
  void theTrainerLearnsAsWithThePlainAdamW(OptimizerNames optim) {
    double plain = trainedLoss(OptimizerNames.ADAMW_TORCH);
    double coded = trainedLoss(optim);
    assertTrue(coded < 2.5, () -> "loss " + coded); // it begins at 3.7
    assertEquals(plain, coded, 0.05 * plain);
  }

  /** 64 x 1600 numbers are enough for pages, where there are any. */
  @ParameterizedTest
  @EnumSource(
      value = OptimizerNames.class,
      names = {"PAGED_ADAMW_8BIT", "PAGED_ADAMW_32BIT"})
  void aRunWithPagesIsResumed(OptimizerNames optim) {
    TrainingArguments.Builder args =
        TrainingArguments.builder()
            .outputDir(folder)
            .optim(optim)
            .learningRate(2e-3)
            .perDeviceTrainBatchSize(8)
            .maxSteps(4)
            .saveSteps(2)
            .loggingSteps(1);
    List<Map<String, Double>> whole = log(args.build());
    List<Map<String, Double>> resumed =
        log(args.resumeFromCheckpoint(folder.resolve("checkpoint-2")).build());
    for (int step = 0; step < 4; step++) {
      assertEquals(whole.get(step).get("loss"), resumed.get(step).get("loss"), 1e-5);
    }
  }

  private static List<Map<String, Double>> log(TrainingArguments args) {
    try (CausalLM model =
        TinyOpt.model(TinyOpt.config().hiddenSize(64).wordEmbedProjDim(64).ffnDim(1600))) {
      Trainer trainer =
          Trainer.builder()
              .model(model)
              .args(args)
              .trainDataset(Dataset.of(TinyOpt.counting(64)))
              .build();
      trainer.train();
      return trainer.state().logHistory();
    }
  }

  private double trainedLoss(OptimizerNames optim) {
    // wide enough for codes: 64 x 128 numbers in a feed-forward layer
    try (CausalLM model =
        TinyOpt.model(TinyOpt.config().hiddenSize(64).wordEmbedProjDim(64).ffnDim(128))) {
      TrainOutput output =
          Trainer.builder()
              .model(model)
              .args(
                  TrainingArguments.builder()
                      .outputDir(folder.resolve(optim.name()).toString())
                      .optim(optim)
                      .learningRate(2e-3)
                      .perDeviceTrainBatchSize(8)
                      .maxSteps(40)
                      .build())
              .trainDataset(Dataset.of(TinyOpt.counting(64)))
              .build()
              .train();
      return output.trainingLoss();
    }
  }

  private static void step(
      Golden golden, Map<String, Parameter> parameters, Optimizer optimizer, int step) {
    for (String name : NAMES) {
      Parameter parameter = parameters.get(name);
      Tensor gradient = golden.get("grad." + name).select(0, step).copy();
      parameter.tensor().setGrad(gradient.to(parameter.dtype()));
    }
    optimizer.step();
    optimizer.zeroGrad();
  }

  private static Map<String, Parameter> parameters(Golden golden) {
    Map<String, Parameter> parameters = new LinkedHashMap<>();
    for (String name : NAMES) {
      Tensor start = golden.get("start." + name);
      Parameter parameter = new Parameter(start.shape(), start.dtype(), Init.zeros());
      parameter.adopt(start.copy());
      parameters.put(name, parameter);
    }
    return parameters;
  }

  private static AdamW.Options options(Golden golden) {
    JsonNode settings = golden.facts().get("settings");
    return new AdamW.Options(
        settings.get("lr").asDouble(),
        settings.get("betas").get(0).asDouble(),
        settings.get("betas").get(1).asDouble(),
        settings.get("eps").asDouble(),
        settings.get("weight_decay").asDouble());
  }

  /** A code at a tie may differ by one, which later steps carry on: one number in 500 at most. */
  private static void assertAlmostAllClose(Tensor expected, Tensor actual, String name) {
    float[] e = expected.to(DType.FLOAT32).toFloats();
    float[] a = actual.to(DType.FLOAT32).toFloats();
    int differing = 0;
    for (int i = 0; i < e.length; i++) {
      assertEquals(e[i], a[i], 0.05, name + " " + i);
      differing += Math.abs(e[i] - a[i]) > 2e-5 * (1 + Math.abs(e[i])) ? 1 : 0;
    }
    int count = differing;
    assertTrue(count <= e.length / 500, () -> count + " of " + e.length + " in " + name);
  }
}
