package org.peftjava.peft.cli;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.model.opt.OptConfig;
import org.peftjava.transformers.tokenizer.TokenBatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/**
 * {@code peft selfcheck}: one training step of a tiny adapted model. Measures how long a process
 * takes from start to end, and shows that the native libraries work.
 */
@Command(name = "selfcheck", hidden = true, description = "Trains a tiny model for one step.")
final class SelfCheckCommand implements Callable<Integer> {
  private static final int VOCABULARY = 1000;
  private static final int ROWS = 2;
  private static final int TOKENS = 16;
  private static final long SEED = 42;

  @Spec private CommandSpec spec;
  @Mixin private CommonOptions common = new CommonOptions();

  @Override
  public Integer call() {
    common.apply();
    Randomness.manualSeed(SEED);
    OptConfig shape =
        OptConfig.builder()
            .vocabSize(VOCABULARY)
            .hiddenSize(64)
            .wordEmbedProjDim(64)
            .numHiddenLayers(2)
            .numAttentionHeads(4)
            .ffnDim(256)
            .maxPositionEmbeddings(128)
            .padTokenId(1)
            .bosTokenId(2)
            .eosTokenId(2)
            .build();
    LoraConfig lora =
        LoraConfig.builder()
            .r(16)
            .loraAlpha(32)
            .loraDropout(0.05)
            .taskType(TaskType.CAUSAL_LM)
            .build();
    try (CausalLM base = AutoModelForCausalLM.fromConfig(shape, DType.FLOAT32);
        PeftModelForCausalLM model = Peft.getPeftModel(base, lora)) {
      spec.commandLine().getOut().printf(Locale.ROOT, "loss %.4f%n", step(model));
    }
    return ExitCode.OK;
  }

  private static double step(PeftModelForCausalLM model) {
    long[][] ids = randomIds();
    try (AdamW optimizer = new AdamW(trainable(model), AdamW.Options.defaults());
        TensorScope scope = TensorScope.openGraph("selfcheck")) {
      Tensor loss = model.forward(TokenBatch.of(ids).withLabels(ids)).loss().orElseThrow();
      loss.backward();
      optimizer.step();
      model.zeroGrad();
      return loss.toDouble();
    }
  }

  private static Map<String, Parameter> trainable(PeftModelForCausalLM model) {
    Map<String, Parameter> trained = new LinkedHashMap<>(model.namedParameters());
    trained.values().removeIf(parameter -> !parameter.requiresGrad());
    return trained;
  }

  private static long[][] randomIds() {
    SplittableRandom random = new SplittableRandom(SEED);
    long[][] ids = new long[ROWS][TOKENS];
    for (long[] row : ids) {
      for (int i = 0; i < row.length; i++) {
        row[i] = random.nextLong(VOCABULARY);
      }
    }
    return ids;
  }
}
