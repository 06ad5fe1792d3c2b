package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.optimizers.OptimizerFactory;
import org.peftjava.peft.optimizers.Optimizers;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.Example;
import org.peftjava.transformers.training.SchedulerType;
import org.peftjava.transformers.training.Trainer;
import org.peftjava.transformers.training.TrainerCallback;
import org.peftjava.transformers.training.TrainingArguments;
import org.peftjava.transformers.training.TrainingProgress;

/** The optimizers of peft.optimizers against the real ones: golden/peft_optimizers. */
@ExtendWith(LedgerCheck.class)
class OptimizersTest {
  private static final Map<String, Function<PeftModel, Optimizer>> CASES =
      Map.of(
          "loraplus",
          model ->
              Optimizers.createLoraplusOptimizer(
                  model,
                  OptimizerFactory.adamw(),
                  o -> o.lr(0.01).loraplusLrRatio(5).loraplusWeightDecay(0.02)),
          "loraplus_norms",
          model ->
              Optimizers.createLoraplusOptimizer(
                  model,
                  OptimizerFactory.adamw(),
                  o -> o.lr(0.01).loraplusLrRatio(3).loraplusWeightDecay(0.1)),
          "loraplus_table",
          model ->
              Optimizers.createLoraplusOptimizer(
                  model,
                  OptimizerFactory.sgd(0),
                  o -> o.lr(0.02).loraplusLrRatio(4).loraplusLrEmbedding(0.05)),
          "lorafa",
          model -> Optimizers.createLorafaOptimizer(model, 0.01, 0.05),
          "riemannian",
          model ->
              Optimizers.createRiemannianOptimizer(
                  model, OptimizerFactory.adamw(), 0.01, 0.02, 0.03),
          "riemannian_sgd",
          model -> Optimizers.createRiemannianOptimizer(model, OptimizerFactory.sgd(0), 0.05));

  private static CausalLM base(String name) {
    boolean table = name.endsWith("table");
    return AutoModelForCausalLM.fromPretrained(
        Goldens.path(table ? "opt_embedding/base" : "opt_lora/base"));
  }

  private static PeftModelForCausalLM load(CausalLM base, String name) {
    return PeftModel.fromPretrained(
        base, Goldens.path("peft_optimizers/" + name), o -> o.isTrainable(true));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "loraplus",
        "loraplus_norms",
        "loraplus_table",
        "lorafa",
        "riemannian",
        "riemannian_sgd"
      })
  void threeSteps(String name) {
    try (TensorScope scope = TensorScope.openGraph("case");
        CausalLM base = base(name);
        PeftModelForCausalLM model = load(base, name);
        Optimizer optimizer = CASES.get(name).apply(model)) {
      model.eval();
      Map<String, Tensor> golden = Goldens.tensors("peft_optimizers/io.safetensors");
      ModelInput input =
          ModelInput.builder()
              .inputIds(golden.get("in.input_ids"))
              .attentionMask(golden.get("in.attention_mask"))
              .labels(golden.get("in.labels"))
              .build();
      for (float expected : golden.get(name + ".losses").toFloats()) {
        try (TensorScope step = TensorScope.openGraph("step")) {
          Tensor loss = model.forward(input).loss().orElseThrow();
          assertEquals(expected, loss.toDouble(), 2e-4 * (1 + expected));
          loss.backward();
        }
        optimizer.step();
        optimizer.zeroGrad();
      }
      String prefix = name + ".after.";
      List<String> trained = new ArrayList<>();
      model
          .namedParameters()
          .forEach(
              (key, parameter) -> {
                if (parameter.requiresGrad()) {
                  trained.add(prefix + key);
                  Goldens.assertClose(golden.get(prefix + key), parameter.tensor(), 1e-4, key);
                }
              });
      assertEquals(
          golden.keySet().stream().filter(key -> key.startsWith(prefix)).sorted().toList(),
          trained.stream().sorted().toList());
    }
  }

  private static Dataset counting() {
    return Dataset.of(
        IntStream.range(0, 24)
            .mapToObj(
                row ->
                    Example.of(
                        IntStream.range(0, 6).mapToLong(t -> 4 + (row + 3L * t) % 36).toArray()))
            .toList());
  }

  private static TrainingArguments.Builder arguments(Path folder) {
    return TrainingArguments.builder()
        .outputDir(folder.toString())
        .maxSteps(4)
        .saveSteps(2)
        .learningRate(7)
        .lrSchedulerType(SchedulerType.LINEAR)
        .perDeviceTrainBatchSize(6);
  }

  /** The schedule multiplies the optimizer's rates, which keep their ratios; it stays open. */
  @Test
  void theTrainerUsesAGivenOptimizerAndResumes(@TempDir Path folder) {
    float[] whole = trained(arguments(folder).build());
    TrainingArguments resumed =
        arguments(folder).resumeFromCheckpoint(folder.resolve("checkpoint-2")).build();
    assertArrayEquals(whole, trained(resumed));
  }

  private static float[] trained(TrainingArguments args) {
    List<Double> fast = new ArrayList<>();
    List<Optimizer> groups = new ArrayList<>();
    OptimizerFactory noted =
        (parameters, lr, decay) -> {
          groups.add(OptimizerFactory.adamw().create(parameters, lr, decay));
          return groups.get(groups.size() - 1);
        };
    try (CausalLM base = base("");
        PeftModelForCausalLM model = load(base, "loraplus");
        Optimizer optimizer =
            Optimizers.createLoraplusOptimizer(model, noted, o -> o.lr(0.02).loraplusLrRatio(8))) {
      TrainerCallback callback =
          new TrainerCallback() {
            @Override
            public void onPreOptimizerStep(TrainingProgress progress) {
              fast.add(groups.get(1).learningRate());
              assertEquals(8, groups.get(1).learningRate() / optimizer.learningRate(), 1e-9);
            }
          };
      Trainer.builder()
          .model(model)
          .args(args)
          .trainDataset(counting())
          .optimizer(optimizer)
          .callbacks(callback)
          .build()
          .train();
      assertEquals(0.02 * 8 / 4, fast.get(fast.size() - 1), 1e-9, "linear: a quarter is left");
      assertEquals(0.02, optimizer.learningRate(), "as it was");
      try (TensorScope scope = TensorScope.open("read")) {
        assertFalse(optimizer.stateDict().isEmpty());
        return parameter(model, "lora_B").tensor().toFloats();
      }
    }
  }

  private static Parameter parameter(PeftModel model, String part) {
    return model.namedParameters().entrySet().stream()
        .filter(entry -> entry.getKey().contains(part))
        .findFirst()
        .orElseThrow()
        .getValue();
  }

  /** A is frozen and so bfloat16 like the base, B is float32. */
  @Test
  void lorafaTrainsInBfloat16(@TempDir Path folder) {
    try (TensorScope scope = TensorScope.open("test");
        CausalLM base = base("");
        PeftModelForCausalLM model =
            Peft.getPeftModel(
                base, LoraConfig.builder().r(2).targetModules("q_proj", "fc1").build());
        Optimizer optimizer = Optimizers.createLorafaOptimizer(model, 0.01)) {
      float[] before = parameter(model, "lora_B").tensor().toFloats();
      Trainer.builder()
          .model(model)
          .args(arguments(folder).bf16(true).build())
          .trainDataset(counting())
          .optimizer(optimizer)
          .build()
          .train();
      assertEquals(DType.FLOAT32, parameter(model, "lora_B").dtype());
      assertTrue(parameter(model, "lora_B").tensor().isFinite());
      assertFalse(Arrays.equals(before, parameter(model, "lora_B").tensor().toFloats()));
    }
  }

  /** Python takes the A's of two adapters for a pair. */
  @Test
  void lorafaTurnsTheAdapterThatActs() {
    try (TensorScope scope = TensorScope.openGraph("test");
        CausalLM base = base("");
        PeftModelForCausalLM model = load(base, "lorafa")) {
      model.addAdapter("second", LoraConfig.builder().r(2).targetModules("q_proj").build());
      model.setAdapter("second");
      try (Optimizer optimizer = Optimizers.createLorafaOptimizer(model, 0.01)) {
        Map<String, Tensor> golden = Goldens.tensors("peft_optimizers/io.safetensors");
        model
            .forward(
                ModelInput.builder()
                    .inputIds(golden.get("in.input_ids"))
                    .labels(golden.get("in.labels"))
                    .build())
            .loss()
            .orElseThrow()
            .backward();
        float[] first = parameter(model, "lora_B.default").tensor().toFloats();
        optimizer.step();
        assertArrayEquals(first, parameter(model, "lora_B.default").tensor().toFloats());
        assertTrue(parameter(model, "lora_B.second").tensor().abs().max().toDouble() > 1e-3);
        optimizer.zeroGrad();
      }
    }
  }

  @Test
  void refusesWhatCannotBe() {
    try (CausalLM base = base("")) {
      for (Function<CausalLM, Optimizer> create :
          List.<Function<CausalLM, Optimizer>>of(
              model -> Optimizers.createLorafaOptimizer(model, 0.1),
              model ->
                  Optimizers.createRiemannianOptimizer(model, OptimizerFactory.adamw(), 0.1))) {
        String message =
            assertThrows(IllegalArgumentException.class, () -> create.apply(base)).getMessage();
        assertTrue(message.contains("LoRA adapters"), message);
      }
      try (PeftModelForCausalLM model = load(base, "loraplus")) {
        assertThrows(
            IllegalArgumentException.class,
            () ->
                Optimizers.createLoraplusOptimizer(model, OptimizerFactory.adamw(), o -> o.lr(1)));
        assertThrows(
            IllegalArgumentException.class,
            () ->
                Optimizers.createRiemannianOptimizer(model, OptimizerFactory.adamw(), 0.1, -1, 0));
        Optimizers.createLorafaOptimizer(model, 0.1).close();
        assertThrows(
            IllegalArgumentException.class,
            () -> Optimizers.createRiemannianOptimizer(model, OptimizerFactory.adamw(), 0.1));
      }
    }
  }
}
