package org.peftjava.transformers.training;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * Trains and evaluates a model: transformers' {@code Trainer} for one process.
 *
 * <p>Borrows the model: its owner closes it. Each {@link #train} begins with a fresh optimizer,
 * which it frees at the end, unless it is given one, and leaves the model in evaluation mode. One
 * thread at a time, except for {@link #cancel}.
 */
public final class Trainer {
  private final TrainingParts parts;
  private final AtomicBoolean running = new AtomicBoolean();
  private volatile boolean cancelled;
  private TrainerState state = new TrainerState();

  private Trainer(TrainingParts parts) {
    this.parts = parts;
  }

  /** Needs a model, and a dataset for what it is asked to do. */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Trains until the last step, a callback's request, or {@link #cancel}; resumes if the arguments
   * say so. All that can be checked is checked before the first step.
   *
   * @throws IllegalArgumentException if data, model and arguments do not fit together
   * @throws NonFiniteLossException if the loss or its gradient becomes infinite or NaN
   */
  public TrainOutput train() {
    return train(parts.args().resumeFromCheckpoint());
  }

  /**
   * Goes on from a checkpoint, whatever the arguments say.
   *
   * @param resumeFromCheckpoint a checkpoint, or a folder whose newest one is taken, such as {@code
   *     outputDir}, which is Python's {@code resume_from_checkpoint=True}
   */
  public TrainOutput train(Path resumeFromCheckpoint) {
    return train(Optional.of(resumeFromCheckpoint));
  }

  /** The same. */
  public TrainOutput train(String resumeFromCheckpoint) {
    return train(Path.of(resumeFromCheckpoint));
  }

  private TrainOutput train(Optional<Path> checkpoint) {
    Dataset data = parts.trainDataset();
    if (data == null) {
      throw new IllegalStateException("train() needs a dataset. Set trainDataset(…).");
    }
    if (!running.compareAndSet(false, true)) {
      throw new IllegalStateException("This trainer is training already. Build another one.");
    }
    cancelled = false;
    Module module = parts.model().module();
    try {
      return train(data, module, checkpoint);
    } finally {
      module.zeroGrad();
      module.eval();
      running.set(false);
    }
  }

  private TrainOutput train(Dataset data, Module module, Optional<Path> checkpoint) {
    TrainingArguments args = parts.args();
    checkEvaluation();
    checkpoint.ifPresent(RunCheckpoints::check);
    new DataCheck("training", parts.model()).check(data);
    TrainingPlan plan = TrainingPlan.of(args, data.size());
    RunCheckpoints checkpoints = new RunCheckpoints(parts, data.size());
    checkpoints.prepare(plan.maxSteps());
    if (args.bf16()) {
      convertFrozen(module);
    }
    if (args.gradientCheckpointing()) {
      parts.model().gradientCheckpointing(true);
    }
    Randomness.manualSeed(args.seed());
    Optimizer given = parts.optimizer();
    try (Optimizer own = given == null ? OptimizerSetup.create(module, args) : null;
        LossMeter meter = new LossMeter(parts.model().device())) {
      return train(
          data,
          module,
          plan,
          checkpoints,
          checkpoint,
          given == null ? Objects.requireNonNull(own) : given,
          meter);
    }
  }

  private TrainOutput train(
      Dataset data,
      Module module,
      TrainingPlan plan,
      RunCheckpoints checkpoints,
      Optional<Path> checkpoint,
      Optimizer optimizer,
      LossMeter meter) {
    double rate = optimizer.learningRate();
    RunSchedule schedule = new RunSchedule(parts.args(), plan.maxSteps(), optimizer);
    try {
      state =
          checkpoint
              .map(folder -> checkpoints.restore(folder, optimizer, schedule, meter))
              .orElseGet(TrainerState::new);
      module.train(true);
      return new TrainingLoop(
              parts, data, plan, state, optimizer, schedule, meter, checkpoints, () -> cancelled)
          .run();
    } finally {
      optimizer.learningRate(rate);
    }
  }

  private void checkEvaluation() {
    EvalData data = parts.evalData();
    TrainingArguments args = parts.args();
    if (data != null) {
      data.check(parts);
    } else if (args.evalStrategy() != IntervalStrategy.NO || args.evalOnStart()) {
      boolean start = args.evalStrategy() == IntervalStrategy.NO;
      throw new IllegalArgumentException(
          (start ? "evalOnStart is set" : "evalStrategy is " + args.evalStrategy())
              + ", but there is nothing to evaluate on. Set evalDataset(…), or "
              + (start ? "evalOnStart(false)." : "evalStrategy(NO)."));
    }
  }

  /** Frozen weights become bfloat16; buffers, such as the scales of quantized weights, stay. */
  private static void convertFrozen(Module module) {
    module
        .namedParameters()
        .values()
        .forEach(
            parameter -> {
              if (!parameter.requiresGrad() && parameter.dtype() == DType.FLOAT32) {
                parameter.to(DType.BFLOAT16);
              }
            });
  }

  /**
   * Asks a running {@link #train} to end after its present step, from any thread. A checkpoint is
   * written unless the save strategy is {@code NO}, and {@code train} returns normally.
   */
  public void cancel() {
    cancelled = true;
  }

  /**
   * Runs the evaluation dataset: {@code eval_loss}, for language models {@code eval_perplexity},
   * own metrics. Of several datasets with names it gives the metrics of all: {@code
   * eval_<name>_loss} and so on.
   */
  public Map<String, Double> evaluate() {
    EvalData data = parts.evalData();
    if (data == null) {
      throw new IllegalStateException("evaluate() needs a dataset. Set evalDataset(…).");
    }
    return evaluate(data, "eval");
  }

  /** Runs other datasets by name: {@code eval_<name>_loss} and so on. */
  public Map<String, Double> evaluate(Map<String, ? extends Dataset> datasets) {
    return evaluate(datasets, "eval");
  }

  /** The same; the names of metrics get a prefix, such as {@code test_<name>_loss}. */
  public Map<String, Double> evaluate(
      Map<String, ? extends Dataset> datasets, String metricKeyPrefix) {
    return evaluate(EvalData.of(datasets), metricKeyPrefix);
  }

  private Map<String, Double> evaluate(EvalData data, String metricKeyPrefix) {
    return data.measure(metricKeyPrefix, (prefix, dataset) -> evaluate(dataset, prefix));
  }

  /** Runs another dataset. */
  public Map<String, Double> evaluate(Dataset dataset) {
    return evaluate(dataset, "eval");
  }

  /** Runs another dataset; the names of its metrics get a prefix, such as {@code test_loss}. */
  public Map<String, Double> evaluate(Dataset dataset, String metricKeyPrefix) {
    return evaluate(dataset, metricKeyPrefix, settings -> {});
  }

  /**
   * Runs another dataset.
   *
   * @param settings how texts are written, where {@code predictWithGenerate} is set
   */
  public Map<String, Double> evaluate(
      Dataset dataset, Consumer<GenerationConfig.Builder> settings) {
    return evaluate(dataset, "eval", settings);
  }

  /** All of these. */
  public Map<String, Double> evaluate(
      Dataset dataset, String metricKeyPrefix, Consumer<GenerationConfig.Builder> settings) {
    new DataCheck("evaluation", parts.model()).check(dataset);
    Map<String, Double> line = state.log(parts.evaluation(settings).run(dataset, metricKeyPrefix));
    TrainingParts.log(line);
    return line;
  }

  /**
   * Runs a dataset with labels and gives what the model says about each of its examples: {@code
   * test_loss}, own metrics, and predictions.
   */
  public PredictionOutput predict(Dataset testDataset) {
    return predict(testDataset, "test");
  }

  /** The same; the names of its metrics get a prefix. */
  public PredictionOutput predict(Dataset testDataset, String metricKeyPrefix) {
    return predict(testDataset, metricKeyPrefix, settings -> {});
  }

  /**
   * The same.
   *
   * @param settings how texts are written, where {@code predictWithGenerate} is set
   */
  public PredictionOutput predict(
      Dataset testDataset, Consumer<GenerationConfig.Builder> settings) {
    return predict(testDataset, "test", settings);
  }

  /** All of these. */
  public PredictionOutput predict(
      Dataset testDataset, String metricKeyPrefix, Consumer<GenerationConfig.Builder> settings) {
    new DataCheck("test", parts.model()).check(testDataset);
    return parts.evaluation(settings).predict(testDataset, metricKeyPrefix);
  }

  /** Adds a callback, called after the others. */
  public void addCallback(TrainerCallback callback) {
    parts.callbacks().add(callback);
  }

  /** Takes a callback out; nothing happens if it is not there. */
  public void removeCallback(TrainerCallback callback) {
    parts.callbacks().remove(callback);
  }

  /** Where the last run stands; its log history also holds evaluations. */
  public TrainerState state() {
    return state;
  }

  /** Writes the model or adapter, and the tokenizer if there is one, to the output folder. */
  public void saveModel() {
    saveModel(parts.args().outputDir());
  }

  /** The same to another folder. */
  public void saveModel(String folder) {
    saveModel(Path.of(folder));
  }

  /** The same to another folder. */
  public void saveModel(Path folder) {
    parts.savePretrained(folder);
  }

  /** Prints metrics as a table, such as those of "train", "eval" or "predict". */
  public void logMetrics(String split, Map<String, Double> metrics) {
    System.out.println(MetricsReport.table(split, metrics));
  }

  /**
   * Writes metrics to {@code <split>_results.json} in the output folder, and adds them to {@code
   * all_results.json} there.
   */
  public void saveMetrics(String split, Map<String, Double> metrics) {
    MetricsReport.save(parts.args().outputDir(), split, metrics);
  }

  /** Writes {@code trainer_state.json} to the output folder. */
  public void saveState() {
    TrainingArguments args = parts.args();
    TrainerStateJson.write(args.outputDir().resolve("trainer_state.json"), state, args);
  }

  /** Collects the parts of a trainer. */
  public static final class Builder {
    private final List<TrainerCallback> callbacks = new ArrayList<>();
    private @Nullable PretrainedModel model;
    private TrainingArguments args = TrainingArguments.builder().build();
    private @Nullable Dataset trainDataset;
    private @Nullable EvalData evalData;
    private @Nullable Tokenizer tokenizer;
    private @Nullable DataCollator dataCollator;
    private @Nullable ComputeMetrics computeMetrics;
    private @Nullable ComputeLossFunc computeLossFunc;
    private @Nullable Optimizer optimizer;

    private Builder() {}

    /** The model, plain or with adapters. Stays the caller's. */
    public Builder model(PretrainedModel value) {
      model = value;
      return this;
    }

    /** The arguments; Python's defaults if absent. */
    public Builder args(TrainingArguments value) {
      args = value;
      return this;
    }

    /** What is trained on. */
    public Builder trainDataset(Dataset value) {
      trainDataset = value;
      return this;
    }

    /** What is evaluated on. */
    public Builder evalDataset(Dataset value) {
      evalData = EvalData.of(value);
      return this;
    }

    /**
     * What is evaluated on, several datasets by name: one after the other, with metrics {@code
     * eval_<name>_loss} and so on, a log line and a call of {@code onEvaluate} for each. {@code
     * metricForBestModel} is to name one of them, such as "eval_name_loss".
     */
    public Builder evalDataset(Map<String, ? extends Dataset> values) {
      evalData = EvalData.of(values);
      return this;
    }

    /** Saved with each checkpoint; its pad token pads the batches. */
    public Builder processingClass(Tokenizer value) {
      tokenizer = value;
      return this;
    }

    /** {@link #processingClass} under the name that it had in transformers 4. */
    public Builder tokenizer(Tokenizer value) {
      return processingClass(value);
    }

    /**
     * How examples become batches; if absent, {@link DataCollatorForLanguageModeling} for language
     * models, {@link DataCollatorForSeq2Seq} for those that write text from text, and {@link
     * DataCollatorWithPadding} for others.
     */
    public Builder dataCollator(DataCollator value) {
      dataCollator = value;
      return this;
    }

    /** Adds callbacks, called in their order. */
    public Builder callbacks(TrainerCallback... values) {
      callbacks.addAll(List.of(values));
      return this;
    }

    /** Metrics of evaluations beside the loss; needs the logits of each batch. */
    public Builder computeMetrics(ComputeMetrics value) {
      computeMetrics = value;
      return this;
    }

    /**
     * A loss in place of the model's own, also what a {@code compute_loss} of a Python subclass is
     * for.
     */
    public Builder computeLossFunc(ComputeLossFunc value) {
      computeLossFunc = value;
      return this;
    }

    /**
     * The optimizer to use in place of the one that the arguments name: the first of Python's
     * {@code optimizers}. The schedule multiplies its learning rate, that of the arguments does not
     * count. Stays the caller's, with its state.
     */
    public Builder optimizer(Optimizer value) {
      optimizer = value;
      return this;
    }

    /** The trainer. */
    public Trainer build() {
      if (model == null) {
        throw new IllegalArgumentException("A trainer needs a model. Set model(…).");
      }
      DataCollator collator =
          dataCollator == null ? DefaultCollator.of(model, tokenizer) : dataCollator;
      return new Trainer(
          new TrainingParts(
              model,
              args,
              trainDataset,
              evalData,
              tokenizer,
              collator,
              new CopyOnWriteArrayList<>(callbacks),
              computeMetrics,
              computeLossFunc,
              optimizer));
    }
  }
}
