package org.peftjava.it.bench;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.peftjava.peft.Peft;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraConfigBuilder;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.runtime.NativeRuntime;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.TaskModel;
import org.peftjava.transformers.generation.GenerationMixin;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * Our side of the comparison with Python: one measurement a process, one JSON line each.
 *
 * <p>{@code StepBench train <model> <dtype> <batch> <tokens> <warm-up> <steps>}, {@code StepBench
 * generate <model> <dtype> <prompt> <new tokens> <repetitions> <rows>}, {@code StepBench load
 * <folder> <dtype> <repetitions>}. LoRA as in {@code bench_reference.py}: r 16, alpha 32, dropout
 * 0.05 on two projections of the attention (GPT-2: c_attn); the model's own dropout is on. T5
 * writes a quarter as many tokens as it reads, BERT judges texts. Run by {@code bench_compare.py}.
 */
final class StepBench {
  private static final Map<String, List<String>> TARGETS =
      Map.of("gpt2", List.of("c_attn"), "t5", List.of("q", "v"), "bert", List.of("query", "value"));

  private StepBench() {}

  /** Runs one measurement. */
  public static void main(String[] args) {
    NativeRuntime.setThreads(2);
    int[] numbers = Arrays.stream(args).skip(3).mapToInt(Integer::parseInt).toArray();
    switch (args[0]) {
      case "train" ->
          train(args[1], DType.parse(args[2]), numbers[0], numbers[1], numbers[2], numbers[3]);
      case "generate" ->
          generate(args[1], DType.parse(args[2]), numbers[0], numbers[1], numbers[2], numbers[3]);
      case "load" -> load(args[1], args[2], numbers[0]);
      default ->
          throw new IllegalArgumentException(
              "Unknown measurement '" + args[0] + "'. Expected train, generate or load.");
    }
  }

  private static void train(
      String name, DType dtype, int batch, int tokens, int warmup, int steps) {
    PretrainedModel base = BenchModels.anyModel(name, dtype);
    double flops = BenchModels.flops(base.module(), (long) batch * tokens);
    try (base;
        PretrainedModel model = adapted(base);
        AdamW optimizer = new AdamW(trainable(model.module()), AdamW.Options.defaults())) {
      model.module().train(true);
      long count = (long) batch * tokens;
      long[] ids = BenchModels.ids(batch * tokens, base.config().vocabSize());
      double[] times = new double[steps];
      double loss = 0;
      for (int i = -warmup; i < steps; i++) {
        long start = System.nanoTime();
        loss = step(model, optimizer, ids, batch, tokens);
        if (i >= 0) {
          times[i] = (System.nanoTime() - start) / 1e9;
        }
      }
      boolean twoLengths = base instanceof Seq2SeqLM; // then not every weight sees every token
      report(
          "train",
          name,
          dtype.pythonName(),
          times,
          count,
          "loss",
          loss,
          "gflop",
          twoLengths ? 0.0 : flops / 1e9);
    }
  }

  private static PretrainedModel adapted(PretrainedModel base) {
    List<String> targets =
        TARGETS.getOrDefault(base.config().modelType(), List.of("q_proj", "v_proj"));
    LoraConfigBuilder lora =
        LoraConfig.builder()
            .r(16)
            .loraAlpha(32)
            .loraDropout(0.05)
            .targetModules(targets.toArray(String[]::new));
    if (base instanceof Seq2SeqLM model) {
      return Peft.getPeftModel(model, lora.taskType(TaskType.SEQ_2_SEQ_LM).build());
    }
    return base instanceof CausalLM model
        ? Peft.getPeftModel(model, lora.taskType(TaskType.CAUSAL_LM).build())
        : Peft.getPeftModel((TaskModel) base, lora.taskType(TaskType.SEQ_CLS).build());
  }

  private static double step(
      PretrainedModel model, AdamW optimizer, long[] ids, int batch, int tokens) {
    try (TensorScope scope = TensorScope.openGraph("step")) {
      Tensor input = Creation.ofLongs(ids, batch, tokens);
      Tensor labels =
          switch (model.config().modelType()) {
            case "bert" -> judgements(ids, batch, tokens);
            case "t5" -> input.narrow(1, 0, tokens / 4).contiguous();
            default -> input;
          };
      Tensor loss =
          model
              .forward(ModelInput.builder().inputIds(input).labels(labels).build())
              .loss()
              .orElseThrow();
      loss.backward();
      optimizer.step();
      optimizer.zeroGrad();
      return loss.toDouble();
    }
  }

  private static Tensor judgements(long[] ids, int batch, int tokens) {
    long[] labels = new long[batch];
    Arrays.setAll(labels, row -> ids[row * tokens] % 2);
    return Creation.ofLongs(labels, batch);
  }

  private static Map<String, Parameter> trainable(Module model) {
    Map<String, Parameter> result = new LinkedHashMap<>(model.namedParameters());
    result.values().removeIf(parameter -> !parameter.requiresGrad());
    return result;
  }

  private static void generate(
      String name, DType dtype, int prompt, int newTokens, int repetitions, int rows) {
    try (PretrainedModel model = BenchModels.anyModel(name, dtype)) {
      model.module().eval();
      long[] flat = BenchModels.ids(rows * prompt, model.config().vocabSize());
      long[][] ids = new long[rows][];
      Arrays.setAll(ids, row -> Arrays.copyOfRange(flat, row * prompt, (row + 1) * prompt));
      TokenBatch batch = TokenBatch.of(ids);
      double[] times = new double[repetitions];
      for (int i = -1; i < repetitions; i++) {
        long start = System.nanoTime();
        ((GenerationMixin) model)
            .generate(batch, g -> g.maxNewTokens(newTokens).minNewTokens(newTokens));
        if (i >= 0) {
          times[i] = (System.nanoTime() - start) / 1e9;
        }
      }
      double bytes =
          (double)
              model.module().namedParameters().values().stream()
                  .mapToLong(p -> p.numel() * p.dtype().byteSize())
                  .sum();
      report(
          "generate",
          name,
          dtype.pythonName(),
          times,
          (long) rows * newTokens,
          "weight_mb",
          bytes / 1e6);
    }
  }

  /** Loads a folder; the first time counts apart, since it loads classes and libraries too. */
  private static void load(String folder, String dtype, int repetitions) {
    long before = NativeRuntime.peakResidentBytes() / (1 << 20);
    double first = 0;
    double[] times = new double[repetitions];
    for (int i = -1; i < repetitions; i++) {
      long start = System.nanoTime();
      CausalLM model =
          AutoModelForCausalLM.fromPretrained(Path.of(folder), options -> options.dtype(dtype));
      double time = (System.nanoTime() - start) / 1e9;
      model.close();
      if (i < 0) {
        first = time;
      } else {
        times[i] = time;
      }
    }
    report(
        "load",
        Path.of(folder).getFileName().toString(),
        dtype,
        times,
        1,
        "first_s",
        first,
        "before_mb",
        before);
  }

  private static void report(
      String bench, String name, String dtype, double[] times, long tokens, Object... more) {
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
