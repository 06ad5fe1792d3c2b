package org.peftjava.it.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.peftjava.peft.PassOptions;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.runtime.NativeRuntime;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * Many adapters on one model: {@code AdapterBench <model> <dtype> <tokens> <repetitions>}. Prints
 * what a pass over eight rows costs with one adapter and with one for each row, what a hundred idle
 * adapters cost, and what switching costs.
 */
final class AdapterBench {
  private static final int ROWS = 8;

  private AdapterBench() {}

  /** Runs all measurements. */
  @SuppressWarnings("SystemOut")
  public static void main(String[] args) {
    NativeRuntime.setThreads(2);
    int tokens = Integer.parseInt(args[2]);
    int repetitions = Integer.parseInt(args[3]);
    LoraConfig lora =
        LoraConfig.builder()
            .r(16)
            .loraAlpha(32)
            .targetModules("q_proj", "v_proj")
            .taskType(TaskType.CAUSAL_LM)
            .initLoraWeights(false)
            .build();
    try (CausalLM base = BenchModels.model(args[0], DType.parse(args[1]));
        PeftModelForCausalLM model = Peft.getPeftModel(base, lora)) {
      model.eval();
      List<String> names = new ArrayList<>(List.of("default"));
      for (int i = 1; i < ROWS; i++) {
        names.add("a" + i);
        model.addAdapter("a" + i, lora);
      }
      model.eval();
      long[][] ids = new long[ROWS][];
      long[] flat = BenchModels.ids(ROWS * tokens, model.config().vocabSize());
      Arrays.setAll(ids, row -> Arrays.copyOfRange(flat, row * tokens, (row + 1) * tokens));
      List<String> one = Collections.nCopies(ROWS, "default");
      double[][] times = new double[4][repetitions];
      for (int i = -3; i < repetitions; i++) {
        int at = Math.max(i, 0);
        times[0][at] = seconds(() -> pass(model, ids, null));
        times[1][at] = seconds(() -> pass(model, ids, one));
        times[2][at] = seconds(() -> pass(model, ids, names));
        times[3][at] = seconds(() -> model.withoutAdapter(() -> pass(model, ids, null)));
      }
      System.out.printf(
          "{\"rows\": %d, \"tokens\": %d, \"active\": %.5f, \"named\": %.5f, \"mixed\": %.5f,"
              + " \"base\": %.5f}%n",
          ROWS, tokens, median(times[0]), median(times[1]), median(times[2]), median(times[3]));
      switching(model, repetitions);
      for (int i = ROWS; i < 100; i++) {
        model.addAdapter("a" + i, lora);
      }
      model.setAdapter("default");
      model.eval();
      double[] hundred = new double[repetitions];
      for (int i = -3; i < repetitions; i++) {
        hundred[Math.max(i, 0)] = seconds(() -> pass(model, ids, null));
      }
      System.out.printf("{\"adapters\": 100, \"active\": %.5f}%n", median(hundred));
      switching(model, repetitions);
    }
  }

  @SuppressWarnings("SystemOut")
  private static void switching(PeftModelForCausalLM model, int repetitions) {
    double[] times = new double[repetitions];
    for (int i = -3; i < repetitions; i++) {
      String name = i % 2 == 0 ? "default" : "a1";
      times[Math.max(i, 0)] = seconds(() -> model.setAdapter(name));
    }
    System.out.printf(
        "{\"adapters\": %d, \"switch\": %.6f}%n", model.peftConfig().size(), median(times));
    model.setAdapter("default");
    model.eval();
  }

  private static int pass(
      PeftModelForCausalLM model,
      long[][] ids,
      @org.jspecify.annotations.Nullable List<String> names) {
    try (TensorScope scope = TensorScope.open("pass");
        GradMode off = GradMode.noGrad()) {
      ModelInput input =
          ModelInput.of(TokenBatch.of(ids), model.device()).toBuilder().logitsToKeep(1).build();
      return (names == null
              ? model.forward(input)
              : model.forward(input, PassOptions.builder().adapterNames(names).build()))
          .logits()
          .orElseThrow()
          .rank();
    }
  }

  private static double seconds(Runnable work) {
    long start = System.nanoTime();
    work.run();
    return (System.nanoTime() - start) / 1e9;
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}
