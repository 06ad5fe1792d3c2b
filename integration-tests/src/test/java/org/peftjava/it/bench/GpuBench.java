package org.peftjava.it.bench;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.plan.MemoryPlan;
import org.peftjava.peft.plan.StepOptions;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.quant.bnb.AdamW8bit;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.cuda.Cards;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.training.OptimizerNames;

/**
 * Measurements on an NVIDIA card, one JSON line each; the twin of {@code gpu_bench.py}, which runs
 * both and compares.
 *
 * <p>{@code kernels <out>x<in>...}; {@code train <model> <dtype> <none|nf4|int8> <batch> <tokens>
 * <warm-up> <steps> <0|1: gradient checkpointing>}; {@code generate <model> <dtype> <none|nf4|int8>
 * <rows> <prompt> <new tokens> <repetitions>}; several of them, divided by commas that stand alone.
 */
final class GpuBench {
  /** {@code -Dpeftjava.device=cuda:0}; another one only to try the program. */
  static final Device CARD = Device.defaultDevice();

  private GpuBench() {}

  /** Runs the measurements; one that fails does not end the others. */
  public static void main(String[] args) {
    int failed = 0;
    int start = 0;
    for (int end = 0; end <= args.length; end++) {
      if (end == args.length || args[end].equals(",")) {
        String[] one = Arrays.copyOfRange(args, start, end);
        start = end + 1;
        try (TensorScope scope = TensorScope.open("bench")) {
          measure(one);
        } catch (RuntimeException e) {
          failed++;
          System.err.println(String.join(" ", one) + " failed:");
          e.printStackTrace();
        }
        System.gc();
      }
    }
    System.exit(failed);
  }

  private static void measure(String[] args) {
    switch (args[0]) {
      case "kernels" -> {
        for (String shape : List.of(args).subList(1, args.length)) {
          String[] sizes = shape.split("x", 2);
          GpuKernels.products(shape, Long.parseLong(sizes[0]), Long.parseLong(sizes[1]));
        }
        GpuKernels.optimizer();
      }
      case "train" -> train(args[1], DType.parse(args[2]), args[3], numbers(args));
      case "generate" -> generate(args[1], DType.parse(args[2]), args[3], numbers(args));
      default ->
          throw new IllegalArgumentException(
              "Unknown measurement '" + args[0] + "'. Expected kernels, train or generate.");
    }
  }

  private static int[] numbers(String[] args) {
    return List.of(args).subList(4, args.length).stream().mapToInt(Integer::parseInt).toArray();
  }

  private static CausalLM model(String name, DType dtype, String quantized) {
    CausalLM model = BenchModels.model(name, dtype);
    quantization(dtype, quantized).ifPresent(config -> config.applyTo(model.module()));
    return model;
  }

  private static Optional<BitsAndBytesConfig> quantization(DType dtype, String quantized) {
    return switch (quantized) {
      case "none" -> Optional.empty();
      case "nf4" ->
          Optional.of(
              BitsAndBytesConfig.builder()
                  .loadIn4bit(true)
                  .bnb4bitQuantType(QuantType.NF4)
                  .bnb4bitUseDoubleQuant(true)
                  .bnb4bitComputeDtype(dtype)
                  .build());
      case "int8" -> Optional.of(BitsAndBytesConfig.builder().loadIn8bit(true).build());
      default ->
          throw new IllegalArgumentException(
              "Unknown weights '" + quantized + "'. Expected none, nf4 or int8.");
    };
  }

  private static void train(String name, DType dtype, String quantized, int[] numbers) {
    int batch = numbers[0];
    int tokens = numbers[1];
    LoraConfig lora =
        LoraConfig.builder()
            .r(16)
            .loraAlpha(32)
            .loraDropout(0.05)
            .targetModules("q_proj", "v_proj")
            .taskType(TaskType.CAUSAL_LM)
            .build();
    try (CausalLM base = model(name, dtype, quantized);
        PeftModelForCausalLM model = Peft.getPeftModel(base, lora);
        Optimizer optimizer = new AdamW8bit(trainable(model), AdamW.Options.defaults(), Set.of())) {
      model.train(true);
      model.gradientCheckpointing(numbers[4] == 1);
      long[] ids = BenchModels.ids(batch * tokens, base.config().vocabSize());
      double[] times = new double[numbers[3]];
      double loss = 0;
      for (int i = -numbers[2]; i < times.length; i++) {
        resetPeakBefore(i);
        long start = System.nanoTime();
        try (TensorScope scope = TensorScope.openGraph("step")) {
          Tensor input = Creation.ofLongs(ids, batch, tokens).to(CARD);
          Tensor value =
              model
                  .forward(ModelInput.builder().inputIds(input).labels(input).build())
                  .loss()
                  .orElseThrow();
          value.backward();
          optimizer.step();
          optimizer.zeroGrad();
          loss = value.toDouble();
        }
        if (i >= 0) {
          times[i] = (System.nanoTime() - start) / 1e9;
        }
      }
      StepOptions.Builder step =
          StepOptions.builder()
              .adapter(lora)
              .dtype(dtype)
              .optim(OptimizerNames.ADAMW_8BIT)
              .gradientCheckpointing(numbers[4] == 1)
              .batch(batch)
              .sequence(tokens)
              .device(CARD);
      quantization(dtype, quantized).ifPresent(step::quantizationConfig);
      double planned = MemoryPlan.of(base.config(), step.build()).total() / 1e6;
      String shape = batch + "x" + tokens + (numbers[4] == 1 ? " recomputed" : "");
      reportModel(
          "train", name, dtype, quantized, shape, times, (long) batch * tokens, planned, loss);
    }
  }

  private static void resetPeakBefore(int repetition) {
    if (repetition == 0 && CARD.isCuda()) {
      Cards.resetPeak(CARD.index());
    }
  }

  private static Map<String, Parameter> trainable(PeftModelForCausalLM model) {
    Map<String, Parameter> result = new LinkedHashMap<>(model.namedParameters());
    result.values().removeIf(parameter -> !parameter.requiresGrad());
    return result;
  }

  private static void generate(String name, DType dtype, String quantized, int[] numbers) {
    try (CausalLM model = model(name, dtype, quantized)) {
      model.eval();
      long[] ids = BenchModels.ids(numbers[0] * numbers[1], model.config().vocabSize());
      long[][] rows = new long[numbers[0]][];
      Arrays.setAll(rows, i -> Arrays.copyOfRange(ids, i * numbers[1], (i + 1) * numbers[1]));
      TokenBatch batch = TokenBatch.of(rows);
      int tokens = numbers[2];
      double[] times = new double[numbers[3]];
      for (int i = -1; i < times.length; i++) {
        resetPeakBefore(i);
        long start = System.nanoTime();
        model.generate(batch, g -> g.maxNewTokens(tokens).minNewTokens(tokens));
        if (i >= 0) {
          times[i] = (System.nanoTime() - start) / 1e9;
        }
      }
      long written = (long) numbers[0] * tokens;
      reportModel("generate", name, dtype, quantized, numbers[0] + " rows", times, written, 0, 0);
    }
  }

  private static void reportModel(
      String bench,
      String name,
      DType dtype,
      String quantized,
      String shape,
      double[] times,
      long tokens,
      double planned,
      double loss) {
    double[] sorted = times.clone();
    Arrays.sort(sorted);
    double median = sorted[sorted.length / 2];
    BenchModels.print(
        "side",
        "java",
        "bench",
        bench,
        "model",
        name,
        "dtype",
        dtype,
        "quantized",
        quantized,
        "shape",
        shape,
        "median_s",
        median,
        "tokens_per_s",
        tokens / median,
        "peak_mb",
        CARD.isCuda() ? Cards.peakBytes(CARD.index()) / 1e6 : 0,
        "planned_mb",
        planned,
        "loss",
        loss);
  }
}
