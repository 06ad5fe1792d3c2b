package org.peftjava.it.bench;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.quant.LayerReplacement;
import org.peftjava.quant.QuantizedLinear;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.runtime.NativeRuntime;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * Times a whole model with NF4 weights (double quantization, bfloat16 products) beside the same
 * model in bfloat16, call by call in turns; each one's best time counts.
 *
 * <p>{@code ModelQuantBench decode <model> <new tokens> <rounds>}: greedy decoding of one row after
 * 8 tokens, and all its linear layers alone. {@code ModelQuantBench step <model> <batch> <tokens>
 * <rounds>}: a step of LoRA with r = 16 in all linear layers and AdamW.
 */
public final class ModelQuantBench {
  private static final int PROMPT = 8;

  private ModelQuantBench() {}

  public static void main(String[] args) {
    NativeRuntime.setThreads(2);
    int[] numbers = Arrays.stream(args).skip(2).mapToInt(Integer::parseInt).toArray();
    try (CausalLM dense = model(args[1]);
        CausalLM packed = model(args[1])) {
      quantize(packed);
      switch (args[0]) {
        case "decode" -> decode(dense, packed, numbers[0], numbers[1]);
        case "step" -> step(dense, packed, numbers[0], numbers[1], numbers[2]);
        default ->
            throw new IllegalArgumentException(
                "Unknown measurement '" + args[0] + "'. Expected decode or step.");
      }
    }
  }

  private static void decode(CausalLM dense, CausalLM packed, int tokens, int rounds) {
    List.of(dense, packed).forEach(model -> model.module().eval());
    double[] best = best(rounds, () -> generate(dense, tokens), () -> generate(packed, tokens));
    report("decode, ms a token", best, 1e3 / tokens);
    best = best(rounds, () -> products(dense), () -> products(packed));
    report("its products alone, ms a token", best, 1e3);
  }

  /** One row through all linear layers, one after the other. */
  private static void products(CausalLM model) {
    try (GradMode off = GradMode.noGrad()) {
      for (Module module : model.namedModules().values()) {
        if (module instanceof LinearLayer layer) {
          try (TensorScope scope = TensorScope.open("product")) {
            layer.forward(Creation.ones(DType.BFLOAT16, 1, 1, layer.inFeatures()));
          }
        }
      }
    }
  }

  private static void generate(CausalLM model, int tokens) {
    long[][] ids = {BenchModels.ids(PROMPT, model.config().vocabSize())};
    model.generate(TokenBatch.of(ids), g -> g.maxNewTokens(tokens).minNewTokens(tokens));
  }

  private static void step(CausalLM dense, CausalLM packed, int batch, int tokens, int rounds) {
    LoraConfig lora =
        LoraConfig.builder().r(16).loraAlpha(32).targetModules(TargetModules.allLinear()).build();
    try (PeftModelForCausalLM plain = Peft.getPeftModel(dense, lora);
        PeftModelForCausalLM quantized = Peft.getPeftModel(packed, lora);
        AdamW first = new AdamW(trainable(plain.module()), AdamW.Options.defaults());
        AdamW second = new AdamW(trainable(quantized.module()), AdamW.Options.defaults())) {
      List.of(plain, quantized).forEach(model -> model.module().train(true));
      double[] best =
          best(
              rounds,
              () -> step(plain, first, batch, tokens),
              () -> step(quantized, second, batch, tokens));
      report("LoRA step of " + batch + " x " + tokens + " tokens, ms", best, 1e3);
    }
  }

  private static void step(PeftModelForCausalLM model, AdamW optimizer, int batch, int tokens) {
    try (TensorScope scope = TensorScope.openGraph("step")) {
      long[] ids = BenchModels.ids(batch * tokens, model.config().vocabSize());
      Tensor input = Creation.ofLongs(ids, batch, tokens);
      model
          .forward(ModelInput.builder().inputIds(input).labels(input).build())
          .loss()
          .orElseThrow()
          .backward();
      optimizer.step();
      optimizer.zeroGrad();
    }
  }

  private static Map<String, Parameter> trainable(Module model) {
    Map<String, Parameter> result = new LinkedHashMap<>(model.namedParameters());
    result.values().removeIf(parameter -> !parameter.requiresGrad());
    return result;
  }

  /** Seconds of the best call of each; the first of each is not counted. */
  private static double[] best(int rounds, Runnable... contenders) {
    double[] result = new double[contenders.length];
    Arrays.fill(result, Double.MAX_VALUE);
    for (int round = -1; round < rounds; round++) {
      for (int i = 0; i < contenders.length; i++) {
        long start = System.nanoTime();
        contenders[i].run();
        double seconds = (System.nanoTime() - start) * 1e-9;
        result[i] = round < 0 ? result[i] : Math.min(result[i], seconds);
      }
    }
    return result;
  }

  private static void report(String what, double[] best, double unit) {
    System.out.printf(
        Locale.ROOT,
        "%s: bfloat16 %.2f, nf4 %.2f (%.2f times as long)%n",
        what,
        best[0] * unit,
        best[1] * unit,
        best[1] / best[0]);
  }

  /** A model in bfloat16 whose rows are alike, which is quicker to make than random ones. */
  private static CausalLM model(String name) {
    PretrainedConfig config = BenchModels.config(name);
    CausalLM model = AutoModelForCausalLM.withoutWeights(config, DType.BFLOAT16);
    for (Parameter parameter : model.namedParameters().values()) {
      try (TensorScope scope = TensorScope.open("fill")) {
        long columns = parameter.shape().get(parameter.shape().rank() - 1);
        Tensor row = Creation.randn(DType.BFLOAT16, columns).mulInPlace(0.02);
        boolean norm = parameter.shape().rank() == 1;
        parameter.adopt(
            norm
                ? Creation.ones(DType.BFLOAT16, columns)
                : row.expand(parameter.shape().get(0), columns).contiguous());
      }
    }
    return model;
  }

  private static void quantize(CausalLM model) {
    BitsAndBytesConfig config =
        BitsAndBytesConfig.builder()
            .loadIn4bit(true)
            .bnb4bitQuantType(QuantType.NF4)
            .bnb4bitUseDoubleQuant(true)
            .bnb4bitComputeDtype(DType.BFLOAT16)
            .build();
    long start = System.nanoTime();
    LayerReplacement.of(model, config, List.of("lm_head"), List.of()).quantizeRest();
    double seconds = (System.nanoTime() - start) * 1e-9;
    long bytes = 0;
    long numbers = 0;
    for (Module module : model.namedModules().values()) {
      if (module instanceof QuantizedLinear layer) {
        bytes += layer.weight().bytes();
        numbers += layer.inFeatures() * layer.outFeatures();
      }
    }
    System.out.printf(
        Locale.ROOT,
        "%,d numbers in quantized layers, %.6f bytes each; quantized in %.2f s%n",
        numbers,
        bytes / (double) numbers,
        seconds);
  }
}
