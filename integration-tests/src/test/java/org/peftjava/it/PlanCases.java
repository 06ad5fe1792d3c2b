package org.peftjava.it;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.peftjava.peft.plan.StepOptions;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraConfigBuilder;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.training.OptimizerNames;

/** The steps whose memory {@link PlanChild} measures. */
final class PlanCases {
  private static final long TOKENS = 768;
  private static final String AVX512 = "-Dpeftjava.kernels.isa=avx512";
  private static final String NO_BFLOAT16 = "-Dpeftjava.bfloat16.products=off";

  private PlanCases() {}

  /**
   * Model and step, by name.
   *
   * @param properties of the process, which may make it that of an older processor
   */
  record Case(PretrainedConfig config, StepOptions options, List<String> properties) {
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
    return get(name).properties();
  }

  static Case get(String name) {
    return Objects.requireNonNull(cases().get(name), name);
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
        "llama bfloat16, no kernels",
        new Case(PlanModels.llama(2), half, "-Dpeftjava.kernels=off", NO_BFLOAT16));
    cases.put("llama bfloat16 head", new Case(PlanModels.llama(2), with(half, head())));
    cases.put(
        "llama bfloat16 adapters",
        new Case(PlanModels.llama(2), half.toBuilder().autocastAdapterDtype(false).build()));
    cases.put("opt float32", new Case(PlanModels.opt(), full));
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
    cases.put("t5 bfloat16 checkpointed", new Case(PlanModels.t5(), checkpointed(pairs)));
    cases.put("llama int8", new Case(PlanModels.llama(8), quantized(false, false, DType.FLOAT32)));
    cases.put(
        "llama int8 bfloat16",
        new Case(PlanModels.llama(8), quantized(false, false, DType.BFLOAT16)));
    return cases;
  }

  private static StepOptions.Builder options(DType type) {
    return StepOptions.builder()
        .adapter(lora().build())
        .dtype(type)
        .sequence(TOKENS)
        .device(Device.CPU);
  }

  private static StepOptions with(StepOptions options, LoraConfigBuilder lora) {
    return options.toBuilder().adapter(lora.build()).build();
  }

  /** The head is trained wholly, so all logits are held. */
  private static LoraConfigBuilder head() {
    return LoraConfig.builder()
        .r(16)
        .loraDropout(0.05)
        .targetModules("q_proj", "v_proj")
        .modulesToSave("lm_head");
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
}
