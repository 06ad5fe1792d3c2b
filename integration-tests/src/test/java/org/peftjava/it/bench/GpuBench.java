package org.peftjava.it.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntConsumer;
import java.util.function.IntFunction;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.quant.QuantizedWeight;
import org.peftjava.quant.bnb.AdamW8bit;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.EightBitWeight;
import org.peftjava.quant.bnb.FourBitWeight;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.cuda.Cards;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * Measurements on an NVIDIA card, one JSON line each; the twin of {@code gpu_bench.py}, which runs
 * both and compares.
 *
 * <p>{@code GpuBench kernels <out>x<in>...}; {@code GpuBench train <model> <dtype> <none|nf4|int8>
 * <batch> <tokens> <warm-up> <steps>}; {@code GpuBench generate <model> <dtype> <none|nf4|int8>
 * <prompt> <new tokens> <repetitions>}.
 */
final class GpuBench {
  /** Another device only to try the program: {@code -Dbench.device=cpu}. */
  private static final Device CARD = Device.parse(System.getProperty("bench.device", "cuda:0"));

  /** More weights than a card's cache holds. */
  private static final long ROTATION = 400_000_000;

  private GpuBench() {}

  /** Runs one measurement. */
  public static void main(String[] args) {
    try (TensorScope scope = TensorScope.open("bench")) {
      switch (args[0]) {
        case "kernels" -> {
          for (String shape : List.of(args).subList(1, args.length)) {
            String[] sizes = shape.split("x", 2);
            kernels(shape, Long.parseLong(sizes[0]), Long.parseLong(sizes[1]));
          }
          optimizer();
        }
        case "train" -> train(args[1], DType.parse(args[2]), args[3], numbers(args));
        case "generate" -> generate(args[1], DType.parse(args[2]), args[3], numbers(args));
        default ->
            throw new IllegalArgumentException(
                "Unknown measurement '" + args[0] + "'. Expected kernels, train or generate.");
      }
    }
  }

  private static int[] numbers(String[] args) {
    return List.of(args).subList(4, args.length).stream().mapToInt(Integer::parseInt).toArray();
  }

  /** Products of dense, NF4 and int8 weights, and the making of a dense weight. */
  private static void kernels(String shape, long out, long in) {
    try (TensorScope scope = TensorScope.open("kernels");
        GradMode off = GradMode.noGrad()) {
      Tensor dense = Creation.randn(DType.BFLOAT16, out, in).mulInPlace(0.02).to(CARD);
      List<Tensor> plain = rotation(2 * out * in, i -> dense.copy());
      List<FourBitWeight> four =
          rotation(out * in / 2, i -> FourBitWeight.quantize(dense, QuantType.NF4, 64, true));
      List<EightBitWeight> eight =
          rotation(out * in, i -> EightBitWeight.quantize(dense, DType.BFLOAT16, 6.0));
      double seconds = seconds(i -> of(four, i).dequantize(DType.BFLOAT16));
      double bytes = four.get(0).bytes() + 2.0 * out * in;
      report("dequantize", shape, "nf4", 0, seconds, "gb_per_s", bytes / seconds / 1e9);
      for (long m : new long[] {1, 8, 64, 512, 2048}) {
        Tensor x = Creation.randn(DType.BFLOAT16, m, in).to(CARD);
        Tensor g = Creation.randn(DType.BFLOAT16, m, out).to(CARD);
        report("forward", shape, "none", m, seconds(i -> MatrixOps.linear(x, of(plain, i), null)));
        report("forward", shape, "nf4", m, seconds(i -> of(four, i).product(x, null, true)));
        report("forward", shape, "int8", m, seconds(i -> of(eight, i).product(x, null, true)));
        report(
            "backward", shape, "none", m, seconds(i -> MatrixOps.inputGradient(g, of(plain, i))));
        report("backward", shape, "nf4", m, seconds(i -> of(four, i).inputGradient(g)));
      }
      four.forEach(QuantizedWeight::close);
      eight.forEach(QuantizedWeight::close);
    }
  }

  /** A step of 8-bit AdamW on 40 million numbers, as a LoRA of 7 billion has. */
  private static void optimizer() {
    long count = CARD.isCuda() ? 40_000_000 : 40_000;
    try (TensorScope scope = TensorScope.open("optimizer")) {
      Tensor start = Creation.zeros(DType.FLOAT32, CARD, count);
      try (Parameter parameter = new Parameter(start.shape(), DType.FLOAT32, Init.zeros());
          AdamW8bit adamw =
              new AdamW8bit(Map.of("p", parameter), AdamW.Options.defaults(), Set.of())) {
        parameter.adopt(start);
        parameter.tensor().setGrad(Creation.ones(DType.FLOAT32, count).to(CARD));
        report("adamw8bit", "" + count, "int8", 0, seconds(i -> adamw.step()));
        parameter.zeroGrad();
      }
    }
  }

  private static void await() {
    if (CARD.isCuda()) {
      Cards.synchronize(CARD.index());
    }
  }

  private static <T> List<T> rotation(long bytes, IntFunction<T> make) {
    List<T> result = new ArrayList<>();
    for (int i = 0; i * bytes <= ROTATION && i < 200; i++) {
      result.add(make.apply(i));
    }
    return result;
  }

  private static <T> T of(List<T> rotation, int i) {
    return rotation.get(i % rotation.size());
  }

  /** Of one call in a row of 50, the best of 5 rows. */
  private static double seconds(IntConsumer call) {
    double best = Double.POSITIVE_INFINITY;
    for (int round = -1; round < 5; round++) {
      await();
      long start = System.nanoTime();
      for (int i = 0; i < 50; i++) {
        try (TensorScope scope = TensorScope.open("call")) {
          call.accept(i);
        }
      }
      await();
      double taken = (System.nanoTime() - start) / 50e9;
      best = round < 0 ? best : Math.min(best, taken);
    }
    return best;
  }

  private static void report(
      String bench, String shape, String quantized, long m, double seconds, Object... more) {
    List<Object> all =
        new ArrayList<>(
            List.of("side", "java", "bench", bench, "shape", shape, "quantized", quantized));
    all.addAll(List.of("m", m, "us", seconds * 1e6));
    all.addAll(List.of(more));
    BenchModels.print(all.toArray());
  }

  private static CausalLM model(String name, DType dtype, String quantized) {
    CausalLM model = BenchModels.model(name, dtype);
    if (!quantized.equals("none")) {
      var config = BitsAndBytesConfig.builder();
      if (quantized.equals("nf4")) {
        config
            .loadIn4bit(true)
            .bnb4bitQuantType(QuantType.NF4)
            .bnb4bitUseDoubleQuant(true)
            .bnb4bitComputeDtype(dtype);
      } else {
        config.loadIn8bit(true);
      }
      config.build().applyTo(model.module());
    }
    model.module().to(CARD);
    return model;
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
      long[] ids = BenchModels.ids(batch * tokens, base.config().vocabSize());
      double[] times = new double[numbers[3]];
      double loss = 0;
      for (int i = -numbers[2]; i < times.length; i++) {
        if (i == 0 && CARD.isCuda()) {
          Cards.resetPeak(CARD.index());
        }
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
      reportModel("train", name, dtype, quantized, times, (long) batch * tokens, loss);
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
      TokenBatch batch =
          TokenBatch.of(new long[][] {BenchModels.ids(numbers[0], model.config().vocabSize())});
      double[] times = new double[numbers[2]];
      for (int i = -1; i < times.length; i++) {
        long start = System.nanoTime();
        model.generate(batch, g -> g.maxNewTokens(numbers[1]).minNewTokens(numbers[1]));
        if (i >= 0) {
          times[i] = (System.nanoTime() - start) / 1e9;
        }
      }
      reportModel("generate", name, dtype, quantized, times, numbers[1], 0);
    }
  }

  private static void reportModel(
      String bench,
      String name,
      DType dtype,
      String quantized,
      double[] times,
      long tokens,
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
        "median_s",
        median,
        "tokens_per_s",
        tokens / median,
        "peak_mb",
        CARD.isCuda() ? Cards.peakBytes(CARD.index()) / 1e6 : 0,
        "loss",
        loss);
  }
}
