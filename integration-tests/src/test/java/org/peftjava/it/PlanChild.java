package org.peftjava.it;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.peftjava.peft.Peft;
import org.peftjava.peft.plan.MemoryPlan;
import org.peftjava.peft.plan.StepOptions;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraConfigBuilder;
import org.peftjava.quant.bnb.AdamW8bit;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
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
  private static final long TOKENS = 768;
  private static final String AVX512 = "-Dpeftjava.kernels.isa=avx512";
  private static final String NO_BFLOAT16 = "-Dpeftjava.bfloat16.products=off";

  private PlanChild() {}

  /**
   * Model and step, by name.
   *
   * @param properties of the process, which may make it that of an older processor
   */
  private record Case(PretrainedConfig config, StepOptions options, List<String> properties) {
    private Case(PretrainedConfig config, StepOptions options, String... properties) {
      this(config, options, List.of(properties));
    }
  }

  /** Names of all cases. */
  static List<String> names() {
    return List.copyOf(cases().keySet());
  }

  /** What a case's process is started with. */
  static List<String> properties(String name) {
    return Objects.requireNonNull(cases().get(name)).properties();
  }

  private static Map<String, Case> cases() {
    StepOptions full = options(DType.FLOAT32).build();
    StepOptions half = options(DType.BFLOAT16).build();
    StepOptions pairs = forTask(half, TaskType.SEQ_2_SEQ_LM);
    Map<String, Case> cases = new LinkedHashMap<>();
    cases.put("llama float32", new Case(PlanModels.llama(8), full));
    cases.put("llama float32 checkpointed", new Case(PlanModels.llama(8), checkpointed(full)));
    cases.put("llama float32, avx512", new Case(PlanModels.llama(8), full, AVX512));
    cases.put("llama bfloat16", new Case(PlanModels.llama(2), half));
    cases.put("llama bfloat16 checkpointed", new Case(PlanModels.llama(2), checkpointed(half)));
    cases.put("llama bfloat16, libtorch", new Case(PlanModels.llama(2), half, AVX512));
    cases.put("llama bfloat16, widened", new Case(PlanModels.llama(2), half, AVX512, NO_BFLOAT16));
    cases.put(
        "llama bfloat16 checkpointed, widened",
        new Case(PlanModels.llama(2), checkpointed(half), AVX512, NO_BFLOAT16));
    cases.put(
        "llama bfloat16, no kernels",
        new Case(PlanModels.llama(2), half, "-Dpeftjava.kernels=off", NO_BFLOAT16));
    cases.put("llama bfloat16 queries", new Case(PlanModels.llama(2), with(half, queries())));
    cases.put("llama bfloat16 head", new Case(PlanModels.llama(2), with(half, head())));
    cases.put(
        "llama bfloat16 adapters",
        new Case(PlanModels.llama(2), half.toBuilder().autocastAdapterDtype(false).build()));
    cases.put("opt float32", new Case(PlanModels.opt(), full));
    cases.put("opt bfloat16 checkpointed", new Case(PlanModels.opt(), checkpointed(half)));
    cases.put("gpt2 float32 checkpointed", new Case(PlanModels.gpt2(), checkpointed(full)));
    cases.put("gpt2 bfloat16", new Case(PlanModels.gpt2(), half));
    cases.put("gemma bfloat16", new Case(PlanModels.gemma(), half));
    cases.put("llama nf4", new Case(PlanModels.llama(8), quantized(true, false, DType.BFLOAT16)));
    cases.put(
        "llama nf4 checkpointed",
        new Case(PlanModels.llama(8), quantized(true, true, DType.FLOAT32)));
    cases.put(
        "llama nf4, products in float32",
        new Case(
            PlanModels.llama(8), quantized(true, false, DType.BFLOAT16, DType.FLOAT32).build()));
    cases.put(
        "llama nf4, libtorch",
        new Case(PlanModels.llama(8), quantized(true, false, DType.BFLOAT16), AVX512));
    cases.put("bert bfloat16", new Case(PlanModels.bert(), forTask(half, TaskType.SEQ_CLS)));
    cases.put("t5 float32", new Case(PlanModels.t5(), forTask(full, TaskType.SEQ_2_SEQ_LM)));
    cases.put("t5 bfloat16", new Case(PlanModels.t5(), pairs));
    cases.put("t5 bfloat16 checkpointed", new Case(PlanModels.t5(), checkpointed(pairs)));
    cases.put("llama int8", new Case(PlanModels.llama(8), quantized(false, false, DType.FLOAT32)));
    cases.put(
        "llama int8 bfloat16",
        new Case(PlanModels.llama(8), quantized(false, false, DType.BFLOAT16)));
    return cases;
  }

  /** Arguments: an empty folder, and a case. Prints planned and measured bytes. */
  public static void main(String[] arguments) {
    Path folder = Path.of(arguments[0]);
    NativeRuntime.setThreads(1);
    NativeHeap.returnFreedMemory();
    Case measured = Objects.requireNonNull(cases().get(arguments[1]));
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

  private static StepOptions.Builder options(DType type) {
    return StepOptions.builder().adapter(lora().build()).dtype(type).sequence(TOKENS);
  }

  private static StepOptions with(StepOptions options, LoraConfigBuilder lora) {
    return options.toBuilder().adapter(lora.build()).build();
  }

  private static LoraConfigBuilder queries() {
    return LoraConfig.builder().r(16).loraDropout(0.05).targetModules("q_proj", "v_proj");
  }

  /** The head is trained wholly, so all logits are held. */
  private static LoraConfigBuilder head() {
    return queries().modulesToSave("lm_head");
  }

  private static LoraConfigBuilder lora() {
    return LoraConfig.builder().r(16).targetModules(TargetModules.allLinear());
  }

  /** A third as many tokens are written as are read, where both are. */
  private static StepOptions forTask(StepOptions options, TaskType task) {
    return options.toBuilder()
        .adapter(lora().taskType(task).build())
        .targetSequence(TOKENS / 3)
        .build();
  }

  private static StepOptions checkpointed(StepOptions options) {
    return options.toBuilder().gradientCheckpointing(true).build();
  }

  private static StepOptions quantized(boolean four, boolean gc, DType type) {
    return quantized(four, gc, type, type).build();
  }

  private static StepOptions.Builder quantized(
      boolean four, boolean gc, DType type, DType productType) {
    return options(type)
        .gradientCheckpointing(gc)
        .optim(OptimizerNames.ADAMW_8BIT)
        .quantizationConfig(
            BitsAndBytesConfig.builder()
                .loadIn4bit(four)
                .loadIn8bit(!four)
                .bnb4bitQuantType(QuantType.NF4)
                .bnb4bitUseDoubleQuant(true)
                .bnb4bitComputeDtype(productType)
                .build());
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
