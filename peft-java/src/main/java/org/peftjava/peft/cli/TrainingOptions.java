package org.peftjava.peft.cli;

import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.training.IntervalStrategy;
import org.peftjava.transformers.training.OptimizerNames;
import org.peftjava.transformers.training.SaveStrategy;
import org.peftjava.transformers.training.SchedulerType;
import org.peftjava.transformers.training.TrainingArguments;
import picocli.CommandLine.Option;

/** {@link TrainingArguments} with the names in kebab-case. */
final class TrainingOptions {
  @Option(
      names = "--learning-rate",
      paramLabel = "X",
      description = "Highest learning rate (default: ${DEFAULT-VALUE}).")
  private double learningRate = 5e-5;

  @Option(
      names = "--per-device-train-batch-size",
      paramLabel = "N",
      description = "Examples in one forward and backward pass (default: ${DEFAULT-VALUE}).")
  private int perDeviceTrainBatchSize = 8;

  @Option(
      names = "--per-device-eval-batch-size",
      paramLabel = "N",
      description = "Examples in one pass of an evaluation (default: ${DEFAULT-VALUE}).")
  private int perDeviceEvalBatchSize = 8;

  @Option(
      names = "--gradient-accumulation-steps",
      paramLabel = "N",
      description = "Passes for one optimizer step (default: ${DEFAULT-VALUE}).")
  private int gradientAccumulationSteps = 1;

  @Option(
      names = "--num-train-epochs",
      paramLabel = "X",
      description = "Passes over the data (default: ${DEFAULT-VALUE}).")
  private double numTrainEpochs = 3;

  @Option(
      names = "--max-steps",
      paramLabel = "N",
      description = "Optimizer steps, in place of epochs.")
  private int maxSteps = -1;

  @Option(
      names = "--lr-scheduler-type",
      paramLabel = "TYPE",
      description = "${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  private SchedulerType lrSchedulerType = SchedulerType.LINEAR;

  @Option(
      names = "--lr-scheduler-kwargs",
      paramLabel = "KEY=VALUE",
      description = "Settings of the schedule, such as num_cycles=3; may be given several times.")
  private Map<String, String> lrSchedulerKwargs = Map.of();

  @Option(
      names = "--warmup-steps",
      paramLabel = "X",
      description = "Steps until the learning rate is reached; below 1, a part of all steps.")
  private double warmupSteps;

  @Option(
      names = "--weight-decay",
      paramLabel = "X",
      description = "AdamW's weight decay (default: ${DEFAULT-VALUE}).")
  private double weightDecay;

  @Option(
      names = "--max-grad-norm",
      paramLabel = "X",
      description = "Larger gradients are scaled down to this norm (default: ${DEFAULT-VALUE}).")
  private double maxGradNorm = 1;

  @Option(
      names = "--adam-beta1",
      paramLabel = "X",
      description = "Decay of the mean of gradients (default: ${DEFAULT-VALUE}).")
  private double adamBeta1 = 0.9;

  @Option(
      names = "--adam-beta2",
      paramLabel = "X",
      description = "Decay of the mean of squared gradients (default: ${DEFAULT-VALUE}).")
  private double adamBeta2 = 0.999;

  @Option(
      names = "--adam-epsilon",
      paramLabel = "X",
      description = "Added to AdamW's denominator (default: ${DEFAULT-VALUE}).")
  private double adamEpsilon = 1e-8;

  @Option(
      names = "--optim",
      paramLabel = "NAME",
      description =
          "The optimizer: adamw_torch, adamw_8bit (2 bytes of state a number instead of 8; also"
              + " adamw_bnb_8bit), paged_adamw_8bit, paged_adamw_32bit (a state that may leave a"
              + " full card), adafactor (little state), sgd, adagrad or rmsprop (default:"
              + " adamw_torch).")
  private OptimizerNames optim = OptimizerNames.ADAMW_TORCH;

  @Option(
      names = "--optim-args",
      paramLabel = "TEXT",
      description = "Settings of the optimizer, such as \"momentum=0.9,nesterov=true\" for sgd.")
  private String optimArgs = "";

  @Option(
      names = "--label-smoothing-factor",
      paramLabel = "X",
      description = "Share of each label that is shared out among all (default: 0).")
  private double labelSmoothingFactor;

  @Option(
      names = "--neftune-noise-alpha",
      paramLabel = "X",
      description = "Noise on token embeddings in training, NEFTune's alpha (default: none).")
  private @Nullable Double neftuneNoiseAlpha;

  @Option(
      names = "--logging-steps",
      paramLabel = "N",
      description = "Steps between two losses (default: ${DEFAULT-VALUE}).")
  private int loggingSteps = 10;

  @Option(
      names = "--eval-steps",
      paramLabel = "N",
      description = "Steps between two evaluations (default: before and after training only).")
  private @Nullable Integer evalSteps;

  @Option(
      names = "--save-steps",
      paramLabel = "N",
      description = "Steps between two checkpoints; 0 for none (default: ${DEFAULT-VALUE}).")
  private int saveSteps = 500;

  @Option(
      names = "--save-total-limit",
      paramLabel = "N",
      description = "Checkpoints to keep; 0 for all (default: ${DEFAULT-VALUE}).")
  private int saveTotalLimit = 2;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Of every random number (default: ${DEFAULT-VALUE}).")
  private long seed = 42;

  @Option(
      names = "--bf16",
      description =
          "Convert the weights that are not trained to bfloat16; what is not quantized of a"
              + " quantized model, else float32 in training, too.")
  private boolean bf16;

  @Option(
      names = "--gradient-checkpointing",
      description = "Compute layers again in the backward pass, which saves memory.")
  private boolean gradientCheckpointing;

  @Option(
      names = "--resume",
      arity = "0..1",
      fallbackValue = "",
      paramLabel = "DIR",
      description = "Continue from a checkpoint, or from the newest one in the output folder.")
  private @Nullable String resume;

  long seed() {
    return seed;
  }

  /** Fails early if the checkpoint to continue from is not there. */
  void check(Path outputDir) {
    if (resume != null) {
      Inputs.folder("checkpoint", resume.isEmpty() ? outputDir : Path.of(resume));
    }
  }

  TrainingArguments toArguments(Path outputDir, boolean canEvaluate) {
    TrainingArguments.Builder args =
        TrainingArguments.builder()
            .outputDir(outputDir)
            .learningRate(learningRate)
            .perDeviceTrainBatchSize(perDeviceTrainBatchSize)
            .perDeviceEvalBatchSize(perDeviceEvalBatchSize)
            .gradientAccumulationSteps(gradientAccumulationSteps)
            .numTrainEpochs(numTrainEpochs)
            .maxSteps(maxSteps)
            .lrSchedulerType(lrSchedulerType)
            .lrSchedulerKwargs(lrSchedulerKwargs)
            .warmupSteps(warmupSteps)
            .weightDecay(weightDecay)
            .maxGradNorm(maxGradNorm)
            .adamBeta1(adamBeta1)
            .adamBeta2(adamBeta2)
            .adamEpsilon(adamEpsilon)
            .optim(optim)
            .optimArgs(optimArgs)
            .labelSmoothingFactor(labelSmoothingFactor)
            .loggingSteps(loggingSteps)
            .loggingFirstStep(true)
            .saveTotalLimit(saveTotalLimit)
            .seed(seed)
            .bf16(bf16)
            .gradientCheckpointing(gradientCheckpointing);
    if (neftuneNoiseAlpha != null) {
      args.neftuneNoiseAlpha(neftuneNoiseAlpha);
    }
    if (saveSteps == 0) {
      args.saveStrategy(SaveStrategy.NO);
    } else {
      args.saveSteps(saveSteps);
    }
    if (evalSteps != null) {
      if (!canEvaluate) {
        throw new IllegalArgumentException(
            "--eval-steps needs --eval-data, a file to evaluate on.");
      }
      args.evalStrategy(IntervalStrategy.STEPS).evalSteps(evalSteps);
    }
    if (resume != null) {
      args.resumeFromCheckpoint(resume.isEmpty() ? outputDir : Path.of(resume));
    }
    return args.build();
  }
}
