package org.peftjava.transformers.training;

import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * The options of a training run, with Python's names and defaults.
 *
 * <p>{@code bf16} differs from Python, where it means autocast: here the weights that are not
 * trained are converted to bfloat16, for good, and products with them run in bfloat16, while
 * trained weights, their gradients and the optimizer stay float32. For adapters that is what
 * autocast gives, with half the memory; a run in which everything is trained stays float32.
 *
 * @param outputDir folder of the checkpoints
 * @param perDeviceTrainBatchSize examples in one forward and backward pass
 * @param perDeviceEvalBatchSize examples in one forward pass of an evaluation
 * @param gradientAccumulationSteps forward and backward passes for one optimizer step
 * @param learningRate the highest learning rate of the schedule
 * @param weightDecay of all weights but biases and norms
 * @param adamBeta1 decay of AdamW's mean of gradients
 * @param adamBeta2 decay of AdamW's mean of squared gradients
 * @param adamEpsilon added to AdamW's denominator
 * @param maxGradNorm gradients with a larger common norm are scaled down to it; 0 for never
 * @param numTrainEpochs passes over the data, also parts of one
 * @param maxSteps optimizer steps; if positive it overrides {@code numTrainEpochs}
 * @param lrSchedulerType how the learning rate changes
 * @param lrSchedulerKwargs settings of that schedule by Python's names, such as "num_cycles"
 * @param warmupSteps steps until the learning rate is reached; below 1, a part of all steps
 * @param optim the optimizer
 * @param optimArgs settings of the optimizer by Python's names: "momentum=0.9, nesterov=true"
 * @param loggingStrategy when the loss is read and logged
 * @param loggingSteps steps between two log lines
 * @param loggingFirstStep whether the first step is logged too
 * @param evalStrategy when the evaluation dataset is run
 * @param evalSteps steps between two evaluations; 0 for {@code loggingSteps}
 * @param evalDelay steps, or passes over the data if {@code evalStrategy} is EPOCH, before which no
 *     evaluation is due
 * @param evalOnStart whether the evaluation dataset is run before the first step too; what it gives
 *     is logged, but is no candidate for the best model, and schedules do not see it
 * @param saveStrategy when a checkpoint is written
 * @param saveSteps steps between two checkpoints
 * @param saveTotalLimit checkpoints of this run to keep, the newest and the best; 0 for all
 * @param saveOnlyModel whether checkpoints hold the model or adapter alone, not what a run needs to
 *     be resumed
 * @param loadBestModelAtEnd whether training ends with the weights of the best evaluation
 * @param metricForBestModel the evaluation metric that decides what is best: "loss" if it is not
 *     said and something depends on it; empty if nothing does
 * @param greaterIsBetter whether a greater metric is better
 * @param labelSmoothingFactor the share of each label that is shared out among all classes
 * @param neftuneNoiseAlpha how much noise token embeddings get in training (NEFTune); empty for
 *     none
 * @param predictWithGenerate whether evaluations with own metrics, and predictions, write texts in
 *     place of taking the likeliest token at each position; for encoder-decoders
 * @param generationMaxLength the longest text that they write; empty for the model's setting
 * @param generationNumBeams how many beams they write with; empty for the model's setting
 * @param seed of every random number in training
 * @param dataSeed of the order of the data; {@code seed} if absent
 * @param trainSamplingStrategy the order of the data
 * @param dataloaderDropLast whether an incomplete last batch of an epoch is left out
 * @param bf16 whether frozen weights are converted to bfloat16; see the class comment
 * @param gradientCheckpointing whether layers are computed again in the backward pass, which saves
 *     memory
 * @param resumeFromCheckpoint a checkpoint to continue from, or a folder whose newest one is taken
 */
public record TrainingArguments(
    Path outputDir,
    int perDeviceTrainBatchSize,
    int perDeviceEvalBatchSize,
    int gradientAccumulationSteps,
    double learningRate,
    double weightDecay,
    double adamBeta1,
    double adamBeta2,
    double adamEpsilon,
    double maxGradNorm,
    double numTrainEpochs,
    int maxSteps,
    SchedulerType lrSchedulerType,
    Map<String, Object> lrSchedulerKwargs,
    double warmupSteps,
    OptimizerNames optim,
    String optimArgs,
    IntervalStrategy loggingStrategy,
    int loggingSteps,
    boolean loggingFirstStep,
    IntervalStrategy evalStrategy,
    int evalSteps,
    double evalDelay,
    boolean evalOnStart,
    SaveStrategy saveStrategy,
    int saveSteps,
    int saveTotalLimit,
    boolean saveOnlyModel,
    boolean loadBestModelAtEnd,
    Optional<String> metricForBestModel,
    boolean greaterIsBetter,
    double labelSmoothingFactor,
    OptionalDouble neftuneNoiseAlpha,
    boolean predictWithGenerate,
    OptionalInt generationMaxLength,
    OptionalInt generationNumBeams,
    long seed,
    OptionalLong dataSeed,
    SamplingStrategy trainSamplingStrategy,
    boolean dataloaderDropLast,
    boolean bf16,
    boolean gradientCheckpointing,
    Optional<Path> resumeFromCheckpoint) {
  /** Checks the ranges and what needs what. */
  public TrainingArguments {
    evalSteps = evalSteps == 0 ? loggingSteps : evalSteps;
    ArgumentChecks.positive("perDeviceTrainBatchSize", perDeviceTrainBatchSize);
    ArgumentChecks.positive("perDeviceEvalBatchSize", perDeviceEvalBatchSize);
    ArgumentChecks.positive("gradientAccumulationSteps", gradientAccumulationSteps);
    ArgumentChecks.positive("loggingSteps", loggingSteps);
    ArgumentChecks.positive("evalSteps", evalSteps);
    ArgumentChecks.positive("saveSteps", saveSteps);
    ArgumentChecks.notNegative("evalDelay", evalDelay);
    ArgumentChecks.notNegative("learningRate", learningRate);
    ArgumentChecks.notNegative("weightDecay", weightDecay);
    ArgumentChecks.notNegative("maxGradNorm", maxGradNorm);
    ArgumentChecks.notNegative("warmupSteps", warmupSteps);
    ArgumentChecks.notNegative("saveTotalLimit", saveTotalLimit);
    ArgumentChecks.share("labelSmoothingFactor", labelSmoothingFactor);
    ArgumentChecks.notNegative("neftuneNoiseAlpha", neftuneNoiseAlpha.orElse(0));
    ArgumentChecks.length(maxSteps, numTrainEpochs);
    ArgumentChecks.measured(lrSchedulerType, evalStrategy);
    lrSchedulerKwargs = Map.copyOf(lrSchedulerKwargs);
    ArgumentChecks.best(loadBestModelAtEnd, saveStrategy, evalStrategy, saveSteps, evalSteps);
    if (loadBestModelAtEnd || saveStrategy == SaveStrategy.BEST || lrSchedulerType.needsMetric()) {
      metricForBestModel = metricForBestModel.or(() -> Optional.of(BestModel.LOSS));
    }
  }

  /** Python's defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Optimizer steps until the learning rate is reached, in a run of so many steps. */
  long warmupSteps(long totalSteps) {
    return (long) (warmupSteps >= 1 ? warmupSteps : Math.ceil(totalSteps * warmupSteps));
  }

  /** Collects options. */
  public static final class Builder {
    private Path outputDir = Path.of("trainer_output");
    private int perDeviceTrainBatchSize = 8;
    private int perDeviceEvalBatchSize = 8;
    private int gradientAccumulationSteps = 1;
    private double learningRate = 5e-5;
    private double weightDecay;
    private double adamBeta1 = 0.9;
    private double adamBeta2 = 0.999;
    private double adamEpsilon = 1e-8;
    private double maxGradNorm = 1;
    private double numTrainEpochs = 3;
    private int maxSteps = -1;
    private SchedulerType lrSchedulerType = SchedulerType.LINEAR;
    private Map<String, Object> lrSchedulerKwargs = Map.of();
    private double warmupSteps;
    private OptimizerNames optim = OptimizerNames.ADAMW_TORCH;
    private String optimArgs = "";
    private IntervalStrategy loggingStrategy = IntervalStrategy.STEPS;
    private int loggingSteps = 500;
    private boolean loggingFirstStep;
    private IntervalStrategy evalStrategy = IntervalStrategy.NO;
    private int evalSteps;
    private double evalDelay;
    private boolean evalOnStart;
    private SaveStrategy saveStrategy = SaveStrategy.STEPS;
    private int saveSteps = 500;
    private int saveTotalLimit;
    private boolean saveOnlyModel;
    private boolean loadBestModelAtEnd;
    private Optional<String> metricForBestModel = Optional.empty();
    private Optional<Boolean> greaterIsBetter = Optional.empty();
    private double labelSmoothingFactor;
    private OptionalDouble neftuneNoiseAlpha = OptionalDouble.empty();
    private boolean predictWithGenerate;
    private OptionalInt generationMaxLength = OptionalInt.empty();
    private OptionalInt generationNumBeams = OptionalInt.empty();
    private long seed = 42;
    private OptionalLong dataSeed = OptionalLong.empty();
    private SamplingStrategy trainSamplingStrategy = SamplingStrategy.RANDOM;
    private boolean dataloaderDropLast;
    private boolean bf16;
    private boolean gradientCheckpointing;
    private Optional<Path> resumeFromCheckpoint = Optional.empty();
    private boolean resumeNewest;

    private Builder() {}

    /** Folder of the checkpoints. */
    public Builder outputDir(Path value) {
      outputDir = value;
      return this;
    }

    /** Folder of the checkpoints. */
    public Builder outputDir(String folder) {
      return outputDir(Path.of(folder));
    }

    /** Examples in one forward and backward pass. */
    public Builder perDeviceTrainBatchSize(int value) {
      perDeviceTrainBatchSize = value;
      return this;
    }

    /** Examples in one forward pass of an evaluation. */
    public Builder perDeviceEvalBatchSize(int value) {
      perDeviceEvalBatchSize = value;
      return this;
    }

    /** Forward and backward passes for one optimizer step. */
    public Builder gradientAccumulationSteps(int value) {
      gradientAccumulationSteps = value;
      return this;
    }

    /** The highest learning rate of the schedule. */
    public Builder learningRate(double value) {
      learningRate = value;
      return this;
    }

    /** Of all weights but biases and norms. */
    public Builder weightDecay(double value) {
      weightDecay = value;
      return this;
    }

    /** Decay of AdamW's mean of gradients. */
    public Builder adamBeta1(double value) {
      adamBeta1 = value;
      return this;
    }

    /** Decay of AdamW's mean of squared gradients. */
    public Builder adamBeta2(double value) {
      adamBeta2 = value;
      return this;
    }

    /** Added to AdamW's denominator. */
    public Builder adamEpsilon(double value) {
      adamEpsilon = value;
      return this;
    }

    /** Gradients with a larger common norm are scaled down to it; 0 for never. */
    public Builder maxGradNorm(double value) {
      maxGradNorm = value;
      return this;
    }

    /** Passes over the data, also parts of one. */
    public Builder numTrainEpochs(double value) {
      numTrainEpochs = value;
      return this;
    }

    /** Optimizer steps; if positive it overrides {@code numTrainEpochs}. */
    public Builder maxSteps(int value) {
      maxSteps = value;
      return this;
    }

    /** How the learning rate changes. */
    public Builder lrSchedulerType(SchedulerType value) {
      lrSchedulerType = value;
      return this;
    }

    /**
     * Settings of the schedule by Python's names, such as "num_cycles"; {@link SchedulerType} says
     * which it has.
     */
    public Builder lrSchedulerKwargs(Map<String, ?> values) {
      lrSchedulerKwargs = Map.copyOf(values);
      return this;
    }

    /** Steps until the learning rate is reached; below 1, a part of all steps. */
    public Builder warmupSteps(double value) {
      warmupSteps = value;
      return this;
    }

    /** Part of all steps until the learning rate is reached: what Python called it before 5.0. */
    public Builder warmupRatio(double ratio) {
      ArgumentChecks.ratio("warmupRatio", ratio);
      return warmupSteps(ratio);
    }

    /** The optimizer. */
    public Builder optim(OptimizerNames value) {
      optim = value;
      return this;
    }

    /** Settings of the optimizer by Python's names: "momentum=0.9, nesterov=true". */
    public Builder optimArgs(String value) {
      optimArgs = value;
      return this;
    }

    /** When the loss is read and logged. */
    public Builder loggingStrategy(IntervalStrategy value) {
      loggingStrategy = value;
      return this;
    }

    /** Steps between two log lines. */
    public Builder loggingSteps(int value) {
      loggingSteps = value;
      return this;
    }

    /** Whether the first step is logged too. */
    public Builder loggingFirstStep(boolean value) {
      loggingFirstStep = value;
      return this;
    }

    /** When the evaluation dataset is run. */
    public Builder evalStrategy(IntervalStrategy value) {
      evalStrategy = value;
      return this;
    }

    /** Steps between two evaluations; 0 for {@code loggingSteps}. */
    public Builder evalSteps(int value) {
      evalSteps = value;
      return this;
    }

    /**
     * Steps, or passes over the data if {@code evalStrategy} is EPOCH, before which no evaluation
     * is due.
     */
    public Builder evalDelay(double value) {
      evalDelay = value;
      return this;
    }

    /** Whether the evaluation dataset is run before the first step too. */
    public Builder evalOnStart(boolean value) {
      evalOnStart = value;
      return this;
    }

    /** When a checkpoint is written. */
    public Builder saveStrategy(SaveStrategy value) {
      saveStrategy = value;
      return this;
    }

    /** Steps between two checkpoints. */
    public Builder saveSteps(int value) {
      saveSteps = value;
      return this;
    }

    /** Checkpoints of this run to keep, the newest and the best; 0 for all. */
    public Builder saveTotalLimit(int value) {
      saveTotalLimit = value;
      return this;
    }

    /**
     * Whether checkpoints hold the model or adapter alone, which takes a third of the space where
     * everything is trained. They can be loaded, but no run can be resumed from them.
     */
    public Builder saveOnlyModel(boolean value) {
      saveOnlyModel = value;
      return this;
    }

    /** Whether training ends with the weights of the best evaluation. */
    public Builder loadBestModelAtEnd(boolean value) {
      loadBestModelAtEnd = value;
      return this;
    }

    /**
     * The evaluation metric that decides what is best, with or without "eval_"; of one of several
     * evaluation datasets "eval_name_loss".
     */
    public Builder metricForBestModel(String value) {
      metricForBestModel = Optional.of(value);
      return this;
    }

    /**
     * Whether a greater metric is better; if absent, it is unless the name of the metric ends with
     * "loss" or "perplexity".
     */
    public Builder greaterIsBetter(boolean value) {
      greaterIsBetter = Optional.of(value);
      return this;
    }

    /** The share of each label that is shared out among all classes; 0 for none. */
    public Builder labelSmoothingFactor(double value) {
      labelSmoothingFactor = value;
      return this;
    }

    /**
     * Adds noise to the token embeddings in training (NEFTune, arXiv:2310.05914): even, up to alpha
     * divided by the root of the number of tokens times the size of an embedding.
     */
    public Builder neftuneNoiseAlpha(double value) {
      neftuneNoiseAlpha = OptionalDouble.of(value);
      return this;
    }

    /** Whether evaluations with own metrics, and predictions, write texts (encoder-decoders). */
    public Builder predictWithGenerate(boolean value) {
      predictWithGenerate = value;
      return this;
    }

    /** The longest text that {@link #predictWithGenerate} writes. */
    public Builder generationMaxLength(int value) {
      generationMaxLength = OptionalInt.of(value);
      return this;
    }

    /** How many beams {@link #predictWithGenerate} writes with. */
    public Builder generationNumBeams(int value) {
      generationNumBeams = OptionalInt.of(value);
      return this;
    }

    /** Of every random number in training. */
    public Builder seed(long value) {
      seed = value;
      return this;
    }

    /** Of the order of the data; {@code seed} if absent. */
    public Builder dataSeed(long value) {
      dataSeed = OptionalLong.of(value);
      return this;
    }

    /** The order of the data. */
    public Builder trainSamplingStrategy(SamplingStrategy value) {
      trainSamplingStrategy = value;
      return this;
    }

    /** Whether an incomplete last batch of an epoch is left out. */
    public Builder dataloaderDropLast(boolean value) {
      dataloaderDropLast = value;
      return this;
    }

    /** Whether frozen weights are converted to bfloat16. */
    public Builder bf16(boolean value) {
      bf16 = value;
      return this;
    }

    /** Whether layers are computed again in the backward pass. */
    public Builder gradientCheckpointing(boolean value) {
      gradientCheckpointing = value;
      return this;
    }

    /** A checkpoint to continue from, or a folder whose newest one is taken. */
    public Builder resumeFromCheckpoint(Path value) {
      resumeFromCheckpoint = Optional.of(value);
      return this;
    }

    /** A checkpoint to continue from, or a folder whose newest one is taken. */
    public Builder resumeFromCheckpoint(String folder) {
      return resumeFromCheckpoint(Path.of(folder));
    }

    /** Whether to continue from the newest checkpoint in {@code outputDir}. */
    public Builder resumeFromCheckpoint(boolean newest) {
      resumeNewest = newest;
      return this;
    }

    /** The arguments. */
    public TrainingArguments build() {
      return new TrainingArguments(
          outputDir,
          perDeviceTrainBatchSize,
          perDeviceEvalBatchSize,
          gradientAccumulationSteps,
          learningRate,
          weightDecay,
          adamBeta1,
          adamBeta2,
          adamEpsilon,
          maxGradNorm,
          numTrainEpochs,
          maxSteps,
          lrSchedulerType,
          lrSchedulerKwargs,
          warmupSteps,
          optim,
          optimArgs,
          loggingStrategy,
          loggingSteps,
          loggingFirstStep,
          evalStrategy,
          evalSteps,
          evalDelay,
          evalOnStart,
          saveStrategy,
          saveSteps,
          saveTotalLimit,
          saveOnlyModel,
          loadBestModelAtEnd,
          metricForBestModel,
          greaterIsBetter.orElseGet(
              () -> ArgumentChecks.isGain(metricForBestModel.orElse(BestModel.LOSS))),
          labelSmoothingFactor,
          neftuneNoiseAlpha,
          predictWithGenerate,
          generationMaxLength,
          generationNumBeams,
          seed,
          dataSeed,
          trainSamplingStrategy,
          dataloaderDropLast,
          bf16,
          gradientCheckpointing,
          resumeNewest ? Optional.of(outputDir) : resumeFromCheckpoint);
    }
  }
}
