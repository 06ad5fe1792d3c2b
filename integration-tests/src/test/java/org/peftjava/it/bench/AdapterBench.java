package org.peftjava.it.bench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.peftjava.peft.PassOptions;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraConfigBuilder;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.runtime.NativeRuntime;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * What adapters cost, our side: one measurement a process, one JSON line each; the twin of {@code
 * bench_adapters.py}, run by {@code bench_compare.py}. LoRA with r 16 and alpha 32.
 *
 * <p>{@code AdapterBench <what> <model> <dtype> <targets> <repetitions> [...]}, where targets are
 * "qv" or "all":
 *
 * <ul>
 *   <li>{@code load ... <folder>}: a saved adapter into a model that has one;
 *   <li>{@code switch ...}: to the other of two adapters;
 *   <li>{@code hundred ... <new tokens>}: decoding one row, with 2 adapters and with 100;
 *   <li>{@code mixed ... <tokens>}: a pass of 8 rows without gradients, with one adapter and with
 *       8;
 *   <li>{@code decode ... <new tokens>}: the same in decoding;
 *   <li>{@code step ... <rows> <tokens> <dropout>}: forward and backward down to the embeddings of
 *       the tokens, without and with an adapter in training.
 * </ul>
 */
final class AdapterBench {
  private static final int ROWS = 8;

  private final DType dtype;
  private final CausalLM base;
  private final PeftModelForCausalLM model;
  private final LoraConfig lora;
  private final int repetitions;
  private final Map<String, double[]> times = new LinkedHashMap<>();

  private AdapterBench(String[] args, double dropout) {
    dtype = DType.parse(args[2]);
    base = BenchModels.model(args[1], dtype);
    LoraConfigBuilder config =
        LoraConfig.builder()
            .r(16)
            .loraAlpha(32)
            .loraDropout(dropout)
            .taskType(TaskType.CAUSAL_LM)
            .initLoraWeights(false);
    lora =
        (args[3].equals("all")
                ? config.targetModules(TargetModules.allLinear())
                : config.targetModules("q_proj", "v_proj"))
            .build();
    model = Peft.getPeftModel(base, lora);
    model.eval();
    repetitions = Integer.parseInt(args[4]);
  }

  /** Runs one measurement. */
  public static void main(String[] args) {
    NativeRuntime.setThreads(2);
    Randomness.manualSeed(0);
    boolean training = args[0].equals("step");
    AdapterBench bench = new AdapterBench(args, training ? Double.parseDouble(args[7]) : 0);
    try {
      switch (args[0]) {
        case "load" -> bench.load(Path.of(args[5]));
        case "switch" -> bench.switching();
        case "hundred" -> bench.hundred(Integer.parseInt(args[5]));
        case "mixed" -> bench.mixed(Integer.parseInt(args[5]));
        case "decode" -> bench.decode(Integer.parseInt(args[5]));
        case "step" -> bench.step(Integer.parseInt(args[5]), Integer.parseInt(args[6]));
        default -> throw new IllegalArgumentException("Unknown measurement '" + args[0] + "'.");
      }
      bench.report(args[0], args[1]);
    } finally {
      bench.model.close();
      bench.base.close();
    }
  }

  /** Calls in turn, after three rounds that do not count. */
  private void inTurn(Map<String, Runnable> works) {
    works.keySet().forEach(name -> times.put(name, new double[repetitions]));
    for (int i = -3; i < repetitions; i++) {
      int at = Math.max(i, 0);
      works.forEach((name, work) -> times.get(name)[at] = seconds(work));
    }
  }

  private void load(Path folder) {
    double[] result = new double[repetitions];
    for (int i = -3; i < repetitions; i++) {
      result[Math.max(i, 0)] =
          seconds(() -> model.loadAdapter(folder, options -> options.adapterName("other")));
      model.deleteAdapter("other");
    }
    times.put("load", result);
  }

  private void switching() {
    model.addAdapter("other", lora);
    double[] result = new double[repetitions];
    for (int i = -30; i < repetitions; i++) {
      String name = i % 2 == 0 ? "other" : "default";
      result[Math.max(i, 0)] = seconds(() -> model.setAdapter(name));
    }
    times.put("switch", result);
  }

  private void hundred(int newTokens) {
    addAdapters(2);
    TokenBatch batch = TokenBatch.of(rows(1, 16));
    Runnable work = () -> generate(batch, newTokens, List.of());
    inTurn(Map.of("two", work));
    addAdapters(100);
    inTurn(Map.of("hundred", work));
  }

  private void mixed(int tokens) {
    List<String> names = addAdapters(ROWS);
    List<String> one = Collections.nCopies(ROWS, "default");
    long[][] ids = rows(ROWS, tokens);
    Map<String, Runnable> works = new LinkedHashMap<>();
    works.put("base", () -> model.withoutAdapter(() -> pass(ids, List.of())));
    works.put("single", () -> pass(ids, List.of()));
    works.put("named", () -> pass(ids, one));
    works.put("mixed", () -> pass(ids, names));
    inTurn(works);
  }

  private void decode(int newTokens) {
    List<String> names = addAdapters(ROWS);
    TokenBatch batch = TokenBatch.of(rows(ROWS, 16));
    Map<String, Runnable> works = new LinkedHashMap<>();
    works.put("base", () -> model.withoutAdapter(() -> generate(batch, newTokens, List.of())));
    works.put("single", () -> generate(batch, newTokens, List.of()));
    works.put("mixed", () -> generate(batch, newTokens, names));
    inTurn(works);
  }

  private void step(int rows, int tokens) {
    model.train(true);
    Map<String, Runnable> works = new LinkedHashMap<>();
    works.put("base", () -> model.withoutAdapter(() -> forwardBackward(rows, tokens)));
    works.put("lora", () -> forwardBackward(rows, tokens));
    inTurn(works);
  }

  private List<String> addAdapters(int count) {
    List<String> names = new ArrayList<>(List.of("default"));
    for (int i = 1; i < count; i++) {
      names.add("a" + i);
      if (!model.peftConfig().containsKey("a" + i)) {
        model.addAdapter("a" + i, lora);
      }
    }
    model.eval();
    return names;
  }

  private long[][] rows(int count, int tokens) {
    long[] flat = BenchModels.ids(count * tokens, model.config().vocabSize());
    long[][] ids = new long[count][];
    Arrays.setAll(ids, row -> Arrays.copyOfRange(flat, row * tokens, (row + 1) * tokens));
    return ids;
  }

  private int pass(long[][] ids, List<String> names) {
    try (TensorScope scope = TensorScope.open("pass");
        GradMode off = GradMode.noGrad()) {
      ModelInput input =
          ModelInput.of(TokenBatch.of(ids), model.device()).toBuilder().logitsToKeep(1).build();
      return (names.isEmpty()
              ? model.forward(input)
              : model.forward(input, PassOptions.builder().adapterNames(names).build()))
          .logits()
          .orElseThrow()
          .rank();
    }
  }

  private int generate(TokenBatch batch, int newTokens, List<String> names) {
    return (names.isEmpty()
            ? model.generate(batch, g -> g.maxNewTokens(newTokens).minNewTokens(newTokens))
            : model.generate(
                batch,
                g -> g.maxNewTokens(newTokens).minNewTokens(newTokens),
                PassOptions.builder().adapterNames(names).build()))
        .ids()
        .length;
  }

  private double forwardBackward(int rows, int tokens) {
    try (TensorScope scope = TensorScope.openGraph("step")) {
      long[] ids = BenchModels.ids(rows * tokens, model.config().vocabSize());
      Tensor labels = Creation.ofLongs(ids, rows, tokens);
      Tensor embeds;
      try (GradMode off = GradMode.noGrad()) {
        embeds = table().forward(labels).detach();
      }
      embeds.requiresGrad(true);
      Tensor loss =
          model
              .forward(ModelInput.builder().inputsEmbeds(embeds).labels(labels).build())
              .loss()
              .orElseThrow();
      loss.backward();
      model.zeroGrad();
      return loss.toDouble();
    }
  }

  private EmbeddingLayer table() {
    return base.module().namedModules().values().stream()
        .filter(EmbeddingLayer.class::isInstance)
        .map(EmbeddingLayer.class::cast)
        .findFirst()
        .orElseThrow();
  }

  private void report(String what, String name) {
    List<Object> line =
        new ArrayList<>(
            List.of("side", "java", "bench", what, "model", name, "dtype", dtype.pythonName()));
    times.forEach(
        (key, values) -> {
          Arrays.sort(values);
          line.add(key + "_s");
          line.add(values[values.length / 2]);
          line.add(key + "_min_s");
          line.add(values[0]);
        });
    BenchModels.print(line.toArray());
  }

  private static double seconds(Runnable work) {
    long start = System.nanoTime();
    work.run();
    return (System.nanoTime() - start) / 1e9;
  }
}
