package org.peftjava.it.bench;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.runtime.NativeRuntime;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * Our side of the comparison with Python: one measurement a process, one JSON line each.
 *
 * <p>{@code StepBench train <model> <dtype> <batch> <tokens> <warm-up> <steps>}, {@code StepBench
 * generate <model> <dtype> <prompt> <new tokens> <repetitions>}. LoRA as in {@code
 * bench_reference.py}: r 16, alpha 32, dropout 0.05, q_proj and v_proj (GPT-2: c_attn); the model's
 * own dropout is on. Run by {@code bench_compare.py}.
 */
final class StepBench {
  private static final Map<String, List<String>> TARGETS = Map.of("gpt2", List.of("c_attn"));

  private StepBench() {}

  /** Runs one measurement. */
  public static void main(String[] args) {
    NativeRuntime.setThreads(2);
    DType dtype = DType.parse(args[2]);
    int[] numbers = Arrays.stream(args).skip(3).mapToInt(Integer::parseInt).toArray();
    switch (args[0]) {
      case "train" -> train(args[1], dtype, numbers[0], numbers[1], numbers[2], numbers[3]);
      case "generate" -> generate(args[1], dtype, numbers[0], numbers[1], numbers[2]);
      default ->
          throw new IllegalArgumentException(
              "Unknown measurement '" + args[0] + "'. Expected train or generate.");
    }
  }

  private static void train(
      String name, DType dtype, int batch, int tokens, int warmup, int steps) {
    PretrainedConfig config = BenchModels.config(name);
    List<String> targets = TARGETS.getOrDefault(config.modelType(), List.of("q_proj", "v_proj"));
    LoraConfig lora =
        LoraConfig.builder()
            .r(16)
            .loraAlpha(32)
            .loraDropout(0.05)
            .targetModules(targets.toArray(String[]::new))
            .taskType(TaskType.CAUSAL_LM)
            .build();
    CausalLM base = BenchModels.model(name, dtype);
    double flops = BenchModels.flops(base, (long) batch * tokens);
    try (base;
        PeftModelForCausalLM model = Peft.getPeftModel(base, lora);
        AdamW optimizer = new AdamW(trainable(model), AdamW.Options.defaults())) {
      model.train(true);
      long count = (long) batch * tokens;
      long[] ids = BenchModels.ids(batch * tokens, config.vocabSize());
      double[] times = new double[steps];
      double loss = 0;
      for (int i = -warmup; i < steps; i++) {
        long start = System.nanoTime();
        loss = step(model, optimizer, ids, batch, tokens);
        if (i >= 0) {
          times[i] = (System.nanoTime() - start) / 1e9;
        }
      }
      report("train", name, dtype, times, count, "loss", loss, "gflop", flops / 1e9);
    }
  }

  private static double step(
      PeftModelForCausalLM model, AdamW optimizer, long[] ids, int batch, int tokens) {
    try (TensorScope scope = TensorScope.openGraph("step")) {
      Tensor input = Creation.ofLongs(ids, batch, tokens);
      Tensor loss =
          model
              .forward(ModelInput.builder().inputIds(input).labels(input).build())
              .loss()
              .orElseThrow();
      loss.backward();
      optimizer.step();
      optimizer.zeroGrad();
      return loss.toDouble();
    }
  }

  private static Map<String, Parameter> trainable(PeftModelForCausalLM model) {
    Map<String, Parameter> result = new LinkedHashMap<>(model.namedParameters());
    result.values().removeIf(parameter -> !parameter.requiresGrad());
    return result;
  }

  private static void generate(
      String name, DType dtype, int prompt, int newTokens, int repetitions) {
    try (CausalLM model = BenchModels.model(name, dtype)) {
      model.eval();
      long[] ids = BenchModels.ids(prompt, model.config().vocabSize());
      TokenBatch batch = TokenBatch.of(new long[][] {ids});
      double[] times = new double[repetitions];
      for (int i = -1; i < repetitions; i++) {
        long start = System.nanoTime();
        model.generate(batch, g -> g.maxNewTokens(newTokens).minNewTokens(newTokens));
        if (i >= 0) {
          times[i] = (System.nanoTime() - start) / 1e9;
        }
      }
      double bytes =
          (double)
              model.namedParameters().values().stream()
                  .mapToLong(p -> p.numel() * p.dtype().byteSize())
                  .sum();
      report("generate", name, dtype, times, newTokens, "weight_mb", bytes / 1e6);
    }
  }

  private static void report(
      String bench, String name, DType dtype, double[] times, long tokens, Object... more) {
    Arrays.sort(times);
    double median = times[times.length / 2];
    Object[] common = {
      "side",
      "java",
      "bench",
      bench,
      "model",
      name,
      "dtype",
      dtype,
      "median_s",
      median,
      "min_s",
      times[0],
      "tokens_per_s",
      tokens / median,
      "tokens_per_s_best",
      tokens / times[0],
      "peak_mb",
      NativeRuntime.peakResidentBytes() / (1 << 20)
    };
    Object[] all = Arrays.copyOf(common, common.length + more.length);
    System.arraycopy(more, 0, all, common.length, more.length);
    BenchModels.print(all);
  }
}
