package org.peftjava.peft.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.peftjava.peft.TrainableParameters;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.tokenizer.Tokenizer;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.TrainOutput;
import org.peftjava.transformers.training.Trainer;
import org.peftjava.transformers.training.TrainerCallback;
import org.peftjava.transformers.training.TrainingArguments;
import org.peftjava.transformers.training.TrainingProgress;

/** One training run: evaluates, trains with a display of its progress, saves, evaluates. */
final class TrainingRun implements TrainerCallback {
  private final PrintWriter out;
  private final CausalLanguageModel model;
  private final TrainingArguments args;
  private final Dataset trainData;
  private final Optional<Dataset> evalData;
  private final Trainer trainer;
  private volatile boolean cancelled;

  TrainingRun(
      PrintWriter out,
      TrainerCallback display,
      CausalLanguageModel model,
      TrainingArguments args,
      Tokenizer tokenizer,
      Dataset trainData,
      Optional<Dataset> evalData) {
    this.out = out;
    this.model = model;
    this.args = args;
    this.trainData = trainData;
    this.evalData = evalData;
    Trainer.Builder builder =
        Trainer.builder()
            .model(model)
            .args(args)
            .trainDataset(trainData)
            .tokenizer(tokenizer)
            .callbacks(this, display);
    evalData.ifPresent(builder::evalDataset);
    trainer = builder.build();
  }

  /** Ends the run after the present step, from any thread. */
  void cancel() {
    cancelled = true;
    trainer.cancel();
  }

  /** A wish to stop from before the training, when the trainer did not listen yet. */
  @Override
  public void onTrainBegin(TrainingProgress progress) {
    if (cancelled) {
      trainer.cancel();
    }
  }

  /** Trains and saves to the output folder. */
  RunResult run() {
    out.println(parameters());
    Optional<Map<String, Double>> before = evalData.map(data -> evaluate("before", data));
    TrainOutput output = CommandFailure.data(trainer::train);
    trainer.saveModel(args.outputDir());
    Optional<Map<String, Double>> after =
        output.cancelled() ? Optional.empty() : evalData.map(data -> evaluate("after", data));
    List<Map<String, Double>> history = new ArrayList<>();
    before.ifPresent(metrics -> history.add(atStart(metrics)));
    history.addAll(trainer.state().logHistory());
    return new RunResult(before, after, output, List.copyOf(history));
  }

  private static Map<String, Double> atStart(Map<String, Double> metrics) {
    Map<String, Double> line = new LinkedHashMap<>(metrics);
    line.put("epoch", 0.0);
    line.put("step", 0.0);
    return line;
  }

  /** The part of a report that is known before the run. */
  RunReport report(List<String> command) {
    TrainableParameters parameters = parameters();
    return new RunReport()
        .with("command", command)
        .with("trainable_parameters", parameters.trainable())
        .with("all_parameters", parameters.all())
        .with("train_examples", trainData.size())
        .with("eval_examples", evalData.map(Dataset::size).orElse(0))
        .with(args);
  }

  private TrainableParameters parameters() {
    long trainable = 0;
    long all = 0;
    for (Parameter parameter : model.module().namedParameters().values()) {
      all += parameter.represented();
      trainable += parameter.requiresGrad() ? parameter.numel() : 0;
    }
    return new TrainableParameters(trainable, all);
  }

  private Map<String, Double> evaluate(String when, Dataset data) {
    Map<String, Double> metrics = CommandFailure.data(() -> trainer.evaluate(data));
    out.printf(
        Locale.ROOT,
        "%s training: eval loss %.4f, perplexity %.2f%n",
        when,
        metrics.get("eval_loss"),
        metrics.get("eval_perplexity"));
    out.flush();
    return metrics;
  }
}
