package org.peftjava.peft.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.plan.FittingStep;
import org.peftjava.peft.plan.MemoryPlan;
import org.peftjava.peft.plan.StepOptions;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.transformers.AutoConfig;
import org.peftjava.transformers.ByteSize;
import org.peftjava.transformers.checkpoint.PretrainedFolder;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.training.OptimizerNames;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code peft plan}: what memory training will take; reads no weights. */
@Command(
    name = "plan",
    description =
        "Predicts the memory of a training step from a model's config.json, and what fits a card.")
final class PlanCommand implements Callable<Integer> {
  private static final double GB = 1e9;

  @Spec private CommandSpec spec;
  @Mixin private CommonOptions common = new CommonOptions();

  @Option(
      names = "--model",
      required = true,
      paramLabel = "DIR",
      description = "The model's folder or hub id; only its config.json is read.")
  private Path model = Path.of("");

  @Option(
      names = "--card",
      paramLabel = "SIZE",
      description =
          "Memory of the card, such as 24GB, 0.8 GB of which are the driver's; or of the machine.")
  private @Nullable String card;

  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      description = "Where the step runs: cuda or cpu (default: ${DEFAULT-VALUE}).")
  private String device = "cuda";

  @Option(
      names = "--seq",
      paramLabel = "N",
      description = "Tokens of a sequence (default: ${DEFAULT-VALUE}).")
  private long sequence = 2048;

  @Option(
      names = "--target-seq",
      paramLabel = "N",
      description = "Tokens that a model with encoder and decoder writes (default: as --seq).")
  private @Nullable Long targetSequence;

  @Option(
      names = "--task-type",
      paramLabel = "TASK",
      description =
          "What is trained: causal_lm, seq_2_seq_lm, seq_cls, token_cls, question_ans or"
              + " feature_extraction (default: the first of them that the model can do).")
  private @Nullable TaskType taskType;

  @Option(
      names = "--batch",
      paramLabel = "N",
      description = "Sequences of one pass (default: ${DEFAULT-VALUE}).")
  private long batch = 1;

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      description =
          "Type of the weights that are not quantized: float32, bfloat16 or float16 (default:"
              + " bfloat16).")
  private String dtype = "bfloat16";

  @Option(
      names = "--optim",
      paramLabel = "NAME",
      description = "The optimizer, as of peft train (default: adamw_torch).")
  private OptimizerNames optim = OptimizerNames.ADAMW_TORCH;

  @Option(
      names = "--gradient-checkpointing",
      description = "Compute layers again in the backward pass.")
  private boolean gradientCheckpointing;

  @Option(
      names = "--autocast-adapter-dtype",
      negatable = true,
      defaultValue = "true",
      fallbackValue = "true",
      description = "Float32 adapters over weights of 16 bits (default); else they have 16 too.")
  private boolean autocastAdapterDtype = true;

  @Option(names = "--json", description = "Print bytes as JSON.")
  private boolean json;

  @Mixin private LoraOptions lora = new LoraOptions();
  @Mixin private QuantizationOptions quantization = new QuantizationOptions();

  @Override
  public Integer call() {
    OptionalLong memory = CommandFailure.usage(this::memory);
    Path folder = Inputs.pretrained("model", model, PretrainedFolder.CONFIG);
    common.apply();
    PretrainedConfig config =
        CommandFailure.data(() -> AutoConfig.fromPretrained(folder.toString()));
    StepOptions options = CommandFailure.usage(() -> options(config));
    List<FittingStep> steps =
        CommandFailure.usage(() -> FittingStep.of(config, options, memory.orElse(0)));
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      printJson(out, steps, memory);
    } else {
      print(out, steps, memory);
    }
    return ExitCode.OK;
  }

  private StepOptions options(PretrainedConfig config) {
    TaskType task = taskType == null ? MemoryPlan.defaultTask(config) : taskType;
    StepOptions.Builder builder =
        StepOptions.builder()
            .adapter(lora.toConfig(task))
            .dtype(DType.parse(dtype))
            .autocastAdapterDtype(autocastAdapterDtype)
            .optim(optim)
            .gradientCheckpointing(gradientCheckpointing)
            .batch(batch)
            .sequence(sequence)
            .device(Device.parse(device));
    quantization.toConfig().ifPresent(builder::quantizationConfig);
    if (targetSequence != null) {
      builder.targetSequence(targetSequence);
    }
    return builder.build();
  }

  /** What tensors may take of the card: below 0 for one that is too small for any program. */
  private OptionalLong memory() {
    return card == null
        ? OptionalLong.empty()
        : OptionalLong.of(ByteSize.parse(card, "--card") - context());
  }

  private long context() {
    return Device.parse(device).isCuda() ? MemoryPlan.CUDA_CONTEXT : 0;
  }

  private void print(PrintWriter out, List<FittingStep> steps, OptionalLong memory) {
    MemoryPlan plan = steps.get(0).plan();
    plan.parts().forEach((name, bytes) -> row(out, name, bytes));
    row(out, "total", plan.total());
    if (context() > 0) {
      row(out, "total with a card's context", plan.total() + context());
    }
    if (plan.pageable() > 0) {
      row(out, "of it, may leave a full card", plan.pageable());
    }
    out.printf(Locale.ROOT, "%-30s %,d%n", "trained numbers", plan.trainedParameters());
    if (memory.isEmpty()) {
      return;
    }
    out.printf(
        Locale.ROOT,
        "%n%s: %s%n",
        card,
        steps.get(0).fits(memory.getAsLong()) ? "fits" : "does not fit as asked for");
    out.printf(Locale.ROOT, "%10s %16s %14s  %s%n", "GB", "longest --seq", "most --batch", "with");
    for (FittingStep step : steps) {
      out.printf(
          Locale.ROOT,
          "%10.2f %16d %14d  %s%n",
          (step.plan().total() + context()) / GB,
          step.longestSequence(),
          step.largestBatch(),
          step.what().isEmpty() ? "what was asked for" : "also " + step.what());
    }
  }

  private static void row(PrintWriter out, String name, long bytes) {
    out.printf(Locale.ROOT, "%-30s %10.3f GB%n", name, bytes / GB);
  }

  private void printJson(PrintWriter out, List<FittingStep> steps, OptionalLong memory) {
    Map<String, Object> result = new LinkedHashMap<>();
    result.put("parts", steps.get(0).plan().parts());
    result.put("total", steps.get(0).plan().total());
    result.put("context", context());
    result.put("pageable", steps.get(0).plan().pageable());
    result.put("trained_parameters", steps.get(0).plan().trainedParameters());
    if (memory.isPresent()) {
      result.put("fits", steps.get(0).fits(memory.getAsLong()));
      List<Map<String, Object>> variants = new ArrayList<>();
      for (FittingStep step : steps) {
        Map<String, Object> variant = new LinkedHashMap<>();
        variant.put("with", step.what());
        variant.put("total", step.plan().total());
        variant.put("longest_sequence", step.longestSequence());
        variant.put("largest_batch", step.largestBatch());
        variants.add(variant);
      }
      result.put("variants", variants);
    }
    try {
      out.println(
          new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValueAsString(result));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("The plan cannot be written as JSON.", e);
    }
  }
}
