package org.peftjava.peft.plan;

import java.util.ArrayList;
import java.util.List;
import java.util.function.LongFunction;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.DType;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.training.OptimizerNames;

/**
 * A kind of step, and what of it fits into some memory.
 *
 * @param what is switched on in addition to what was asked for, as command-line options; empty for
 *     the step as it was asked for
 * @param options of the step
 * @param plan of the sizes that were asked for
 * @param longestSequence tokens of a row, with the batch that was asked for, no more than the model
 *     has positions for; 0 if not even one fits
 * @param largestBatch rows of the length that was asked for; 0 if not even one fits
 */
public record FittingStep(
    String what, StepOptions options, MemoryPlan plan, long longestSequence, long largestBatch) {
  private static final long MOST = 1L << 24;

  /** The step itself, and with one more way to save memory after the other. */
  public static List<FittingStep> of(PretrainedConfig config, StepOptions options, long memory) {
    List<FittingStep> result = new ArrayList<>();
    result.add(of("", config, options, memory));
    String what = "";
    StepOptions now = options;
    if (!now.gradientCheckpointing()) {
      what += " --gradient-checkpointing";
      now = now.toBuilder().gradientCheckpointing(true).build();
      result.add(of(what, config, now, memory));
    }
    if (now.optim() == OptimizerNames.ADAMW_TORCH
        || now.optim() == OptimizerNames.ADAMW_TORCH_FUSED) {
      what += " --optim adamw_8bit";
      now = now.toBuilder().optim(OptimizerNames.ADAMW_8BIT).build();
      result.add(of(what, config, now, memory));
    }
    if (!now.dtype().isHalfPrecision()) {
      what += " --dtype bfloat16";
      now = now.toBuilder().dtype(DType.BFLOAT16).build();
      result.add(of(what, config, now, memory));
    }
    if (now.quantizationConfig().isEmpty()) {
      what += " --load-in-4bit --bnb-4bit-quant-type nf4 --bnb-4bit-use-double-quant";
      what += " --bnb-4bit-compute-dtype bfloat16";
      now = now.toBuilder().quantizationConfig(nf4()).build();
      result.add(of(what, config, now, memory));
    }
    return List.copyOf(result);
  }

  private static BitsAndBytesConfig nf4() {
    return BitsAndBytesConfig.builder()
        .loadIn4bit(true)
        .bnb4bitQuantType(QuantType.NF4)
        .bnb4bitUseDoubleQuant(true)
        .bnb4bitComputeDtype(DType.BFLOAT16)
        .build();
  }

  private static FittingStep of(
      String what, PretrainedConfig config, StepOptions options, long memory) {
    ModelSizes sizes = ModelSizes.of(config, options);
    return new FittingStep(
        what.strip(),
        options,
        MemoryPlan.of(sizes, options),
        largest(
            n -> MemoryPlan.of(sizes, options.withSize(options.batch(), n)),
            memory,
            Math.min(MOST, config.longestSequence())),
        largest(n -> MemoryPlan.of(sizes, options.withSize(n, options.sequence())), memory, MOST));
  }

  /** Whether the step that was asked for fits. */
  public boolean fits(long memory) {
    return plan.total() <= memory;
  }

  private static long largest(LongFunction<MemoryPlan> plan, long memory, long most) {
    long fits = 0;
    long tooLarge = most + 1;
    while (tooLarge - fits > 1) {
      long middle = (fits + tooLarge) / 2;
      if (plan.apply(middle).total() <= memory) {
        fits = middle;
      } else {
        tooLarge = middle;
      }
    }
    return fits;
  }
}
