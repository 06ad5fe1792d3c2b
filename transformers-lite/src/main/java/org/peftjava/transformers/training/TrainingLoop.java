package org.peftjava.transformers.training;

import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiConsumer;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.Gradients;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.torch.runtime.NativeRuntime;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * One training run: epochs, optimizer steps, and what happens between them.
 *
 * <p>Each forward and backward pass has a scope that ends its graph, so that a step leaves the
 * process as large as it found it. Losses stay on the device until a log line is due; the one
 * number read each step is the norm of the gradients, which keeps a non-finite step from the
 * weights. Reference: {@code Trainer._inner_training_loop}, with its order of clipping, stepping,
 * logging, evaluating and saving.
 */
final class TrainingLoop {
  private final TrainingParts parts;
  private final TrainingArguments args;
  private final Dataset data;
  private final TrainingPlan plan;
  private final TrainerState state;
  private final Optimizer optimizer;
  private final LossMeter meter;
  private final RunCheckpoints checkpoints;
  private final BooleanSupplier cancelled;
  private final TrainerControl control = new TrainerControl();
  private final Map<String, Parameter> trainable;
  private final RunSchedule schedule;
  private final long started = System.nanoTime();
  private final double smoothing;
  private final double noise;
  private final int firstStep;
  private long sessionTokens;
  private long sessionSamples;
  private int savedStep;
  private double gradNorm;
  private double lastRate;

  TrainingLoop(
      TrainingParts parts,
      Dataset data,
      TrainingPlan plan,
      TrainerState state,
      Optimizer optimizer,
      RunSchedule schedule,
      LossMeter meter,
      RunCheckpoints checkpoints,
      BooleanSupplier cancelled) {
    this.parts = parts;
    args = parts.args();
    this.data = data;
    this.plan = plan;
    this.state = state;
    this.optimizer = optimizer;
    this.schedule = schedule;
    this.meter = meter;
    this.checkpoints = checkpoints;
    this.cancelled = cancelled;
    trainable = OptimizerSetup.trainable(parts.model().module());
    smoothing = parts.labelSmoothing();
    noise = parts.embeddingNoise();
    firstStep = state.globalStep();
    savedStep = firstStep;
  }

  TrainOutput run() {
    state.plan(plan.maxSteps(), plan.epochs());
    tell(TrainerCallback::onTrainBegin);
    if (args.evalOnStart()) {
      evaluate(parts.evalData());
    }
    BatchOrder order = new BatchOrder(data, args);
    int epoch = state.globalStep() / plan.stepsPerEpoch();
    while (!finished()) {
      epoch(epoch, order.epoch(epoch));
      epoch++;
    }
    return output();
  }

  private void epoch(int epoch, List<int[]> batches) {
    int accumulation = args.gradientAccumulationSteps();
    tell(TrainerCallback::onEpochBegin);
    for (int step = state.globalStep() % plan.stepsPerEpoch();
        step < plan.stepsPerEpoch() && !finished();
        step++) {
      int end = Math.min(batches.size(), (step + 1) * accumulation);
      tell(TrainerCallback::onStepBegin);
      optimizerStep(batches.subList(step * accumulation, end));
      state.stepDone(epoch + (double) end / plan.batchesPerEpoch());
      DefaultFlow.afterStep(args, state, control);
      tell(TrainerCallback::onStepEnd);
      meetRequests();
    }
    if (cancelled.getAsBoolean()) {
      if (args.saveStrategy() != SaveStrategy.NO) {
        save();
      }
    } else {
      tell(TrainerCallback::onEpochEnd);
      DefaultFlow.afterEpoch(args, state, control);
      meetRequests();
    }
  }

  private boolean finished() {
    return state.globalStep() >= plan.maxSteps()
        || control.shouldTrainingStop()
        || cancelled.getAsBoolean();
  }

  private void optimizerStep(List<int[]> indices) {
    MicroBatches micro =
        MicroBatches.collate(data, indices, parts.collator(), parts.model().shiftsLabels());
    // A step in which nothing counts has the loss 0, not 0/0.
    double divisor = Math.max(1, micro.targets());
    for (TokenBatch batch : micro.batches()) {
      forwardBackward(batch, divisor);
    }
    double maxNorm = args.maxGradNorm() > 0 ? args.maxGradNorm() : Double.POSITIVE_INFINITY;
    gradNorm = Gradients.clipGradNorm(trainable.values(), maxNorm);
    lastRate = schedule.apply(state.globalStep());
    if (!Double.isFinite(gradNorm)) {
      throw nonFinite("The gradient of step " + (state.globalStep() + 1) + " is " + gradNorm);
    }
    tell(TrainerCallback::onPreOptimizerStep);
    optimizer.step();
    parts.model().trainingHook().ifPresent(hook -> hook.onOptimizerStep(state.globalStep()));
    tell(TrainerCallback::onOptimizerStep);
    optimizer.zeroGrad();
    state.sawTokens(micro.tokens());
    sessionTokens += micro.tokens();
    sessionSamples += micro.samples();
  }

  private void forwardBackward(TokenBatch batch, double divisor) {
    try (TensorScope scope = TensorScope.openGraph("micro step")) {
      ModelInput input =
          TrainingParts.input(parts.model(), batch, parts.computeLossFunc() == null)
              .lossDivisor(divisor)
              .labelSmoothing(smoothing)
              .embeddingNoise(noise)
              .build();
      Tensor loss = parts.loss(parts.model().forward(input), batch, divisor);
      loss.backward();
      meter.add(loss);
    }
  }

  private void meetRequests() {
    if (control.takeLog() && state.globalStep() > meter.loggedStep()) {
      logStep();
    }
    if (control.takeEvaluate() && parts.evalData() != null) {
      Map<String, Double> metrics = evaluate(parts.evalData());
      schedule.evaluated(metrics);
      if (BestModel.note(args, state, metrics) && args.saveStrategy() == SaveStrategy.BEST) {
        control.requestSave();
      }
    }
    if (control.takeSave()) {
      save();
    }
  }

  private void logStep() {
    int since = meter.loggedStep();
    double loss = meter.take(state.globalStep());
    if (!Double.isFinite(loss)) {
      throw nonFinite(
          "The loss of steps " + (since + 1) + " to " + state.globalStep() + " is " + loss);
    }
    Map<String, Double> line = new LinkedHashMap<>();
    line.put("loss", loss);
    line.put("grad_norm", gradNorm);
    line.put("learning_rate", lastRate);
    log(line);
  }

  /** Each dataset, with a log line of its own; returns the metrics of all. */
  private Map<String, Double> evaluate(@Nullable EvalData data) {
    return Objects.requireNonNull(data, "Trainer checks it")
        .measure(
            "eval",
            (prefix, dataset) -> {
              Map<String, Double> metrics = log(parts.evaluation(o -> {}).run(dataset, prefix));
              tell((callback, progress) -> callback.onEvaluate(progress, metrics));
              return metrics;
            });
  }

  private void save() {
    if (savedStep != state.globalStep()) {
      Path folder = checkpoints.save(state, optimizer, schedule, meter);
      savedStep = state.globalStep();
      tell((callback, progress) -> callback.onSave(progress, folder));
    }
  }

  private TrainOutput output() {
    boolean wasCancelled = cancelled.getAsBoolean() && state.globalStep() < plan.maxSteps();
    double seconds = Math.max(1e-9, (System.nanoTime() - started) / 1e9);
    double loss = (meter.loggedLoss() + meter.unlogged()) / Math.max(1, state.globalStep());
    Map<String, Double> metrics = new LinkedHashMap<>();
    metrics.put("train_runtime", seconds);
    metrics.put("train_samples_per_second", sessionSamples / seconds);
    metrics.put("train_steps_per_second", (state.globalStep() - firstStep) / seconds);
    metrics.put("train_tokens_per_second", sessionTokens / seconds);
    metrics.put("train_peak_memory_bytes", (double) NativeRuntime.peakResidentBytes());
    metrics.put("train_loss", loss);
    Map<String, Double> line = log(metrics);
    BestModel.load(parts, state);
    tell(TrainerCallback::onTrainEnd);
    return new TrainOutput(state.globalStep(), loss, line, wasCancelled);
  }

  private Map<String, Double> log(Map<String, Double> values) {
    Map<String, Double> line = state.log(values);
    TrainingParts.log(line);
    tell((callback, progress) -> callback.onLog(progress, line));
    return line;
  }

  private void tell(BiConsumer<TrainerCallback, TrainingProgress> event) {
    Duration elapsed = Duration.ofNanos(System.nanoTime() - started);
    int steps = state.globalStep() - firstStep;
    TrainingProgress progress =
        new TrainingProgress(args, state, control, steps, sessionTokens, elapsed);
    Consumer<TrainerCallback> call = callback -> event.accept(callback, progress);
    parts.callbacks().forEach(call);
  }

  private NonFiniteLossException nonFinite(String what) {
    String message =
        what
            + " (learning rate "
            + lastRate
            + ", last logged loss "
            + (state.lastLoss().isPresent() ? state.lastLoss().getAsDouble() : "none")
            + "). Training stopped with the weights after step "
            + state.globalStep()
            + "; newest checkpoint: "
            + checkpoints.newest().map(Path::toString).orElse("none")
            + ". Lower learningRate, use a warm-up, or train in float32, and "
            + (args.saveOnlyModel() ? "start again from it." : "resume.");
    return new NonFiniteLossException(state.globalStep(), message);
  }
}
