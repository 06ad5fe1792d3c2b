package org.peftjava.it;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.peftjava.peft.Peft;
import org.peftjava.peft.plan.MemoryPlan;
import org.peftjava.peft.plan.StepOptions;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.quant.bnb.AdamW8bit;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.torch.runtime.NativeRuntime;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.TaskModel;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.training.OptimizerNames;

/** Prints a training step's peak of resident memory beside the plan of it. */
public final class PlanChild {
  private PlanChild() {}

  /** Arguments: an empty folder, and a case. Prints planned and measured bytes. */
  public static void main(String[] arguments) {
    Path folder = Path.of(arguments[0]);
    NativeRuntime.setThreads(1);
    NativeHeap.returnFreedMemory();
    PlanCases.Case measured = PlanCases.get(arguments[1]);
    StepOptions options = measured.options();
    StepOptions small = options.withSize(1, 16);
    peak(PlanModels.tiny(measured.config()), small, folder.resolve("tiny"), 0);
    save(measured.config(), options, folder.resolve("model"));
    collect();
    long before = NativeRuntime.residentBytes();
    long took = peak(measured.config(), options, folder.resolve("model"), before);
    System.out.println("# " + MemoryPlan.of(measured.config(), options));
    System.out.println(MemoryPlan.of(measured.config(), options).total() + " " + took);
  }

  private static long peak(PretrainedConfig config, StepOptions options, Path folder, long before) {
    save(config, options, folder);
    try (PretrainedModel base = load(config, options, folder);
        PretrainedModel model = adapted(base, options);
        Optimizer optimizer = optimizer(model, options)) {
      model.gradientCheckpointing(options.gradientCheckpointing());
      model.module().train(true);
      step(model, optimizer, options);
      touch(model);
      resetPeak();
      step(model, optimizer, options);
      return NativeRuntime.peakResidentBytes() - before;
    }
  }

  /** What is quantized while it is loaded comes from a file. */
  private static void save(PretrainedConfig config, StepOptions options, Path folder) {
    if (options.quantizationConfig().isPresent() && !Files.exists(folder)) {
      try (CausalLM dense = AutoModelForCausalLM.fromConfig(config, options.dtype())) {
        dense.savePretrained(folder);
      }
    }
  }

  private static PretrainedModel load(PretrainedConfig config, StepOptions options, Path folder) {
    if (options.quantizationConfig().isPresent()) {
      return AutoModelForCausalLM.fromPretrained(
          folder,
          o -> o.quantizationConfig(options.quantizationConfig().get()).dtype(options.dtype()));
    }
    return switch (config.modelType()) {
      case "t5" -> AutoModelForSeq2SeqLM.fromConfig(config, options.dtype());
      case "bert" -> AutoModelForSequenceClassification.fromConfig(config, options.dtype());
      default -> AutoModelForCausalLM.fromConfig(config, options.dtype());
    };
  }

  private static PretrainedModel adapted(PretrainedModel base, StepOptions options) {
    LoraConfig lora = (LoraConfig) options.adapter();
    boolean cast = options.autocastAdapterDtype();
    return base instanceof Seq2SeqLM pair
        ? Peft.getPeftModel(pair, lora, o -> o.autocastAdapterDtype(cast))
        : Peft.getPeftModel((TaskModel) base, lora, o -> o.autocastAdapterDtype(cast));
  }

  private static Optimizer optimizer(PretrainedModel model, StepOptions options) {
    Map<String, Parameter> trained = new LinkedHashMap<>();
    model
        .module()
        .namedParameters()
        .forEach(
            (path, parameter) -> {
              if (parameter.requiresGrad()) {
                trained.put(path, parameter);
              }
            });
    return options.optim() == OptimizerNames.ADAMW_8BIT
        ? new AdamW8bit(trained, AdamW.Options.defaults(), Set.of())
        : new AdamW(trained, AdamW.Options.defaults());
  }

  private static void step(PretrainedModel model, Optimizer optimizer, StepOptions options) {
    try (TensorScope scope = TensorScope.openGraph("step")) {
      Tensor tokens = counting(options.sequence());
      Tensor labels =
          switch (model.config().modelType()) {
            case "t5" -> counting(options.targetSequence());
            case "bert" -> Creation.ofLongs(new long[] {1}, 1);
            default -> tokens;
          };
      model
          .forward(ModelInput.builder().inputIds(tokens).labels(labels).build())
          .loss()
          .orElseThrow()
          .backward();
    }
    optimizer.step();
    optimizer.zeroGrad();
  }

  /** A row of token ids. */
  private static Tensor counting(long length) {
    long[] ids = new long[(int) length];
    Arrays.setAll(ids, i -> i % 64);
    return Creation.ofLongs(new long[][] {ids});
  }

  private static void collect() {
    for (int i = 0; i < 3; i++) {
      System.gc();
      try {
        Thread.sleep(50); // for the thread that frees native memory
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
    NativeHeap.trim();
  }

  /** Reads all weights: pages of a mapped file that nobody read are not resident. */
  private static void touch(PretrainedModel model) {
    for (Parameter parameter : model.module().namedParameters().values()) {
      try (TensorScope scope = TensorScope.open("touch")) {
        if (parameter.dtype().isFloatingPoint() && !parameter.tensor().detach().isFinite()) {
          throw new IllegalStateException("A weight is not finite.");
        }
      }
    }
  }

  private static void resetPeak() {
    try {
      Files.writeString(Path.of("/proc/self/clear_refs"), "5");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
