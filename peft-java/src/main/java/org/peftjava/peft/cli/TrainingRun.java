package org.peftjava.peft.cli;

import java.io.PrintWriter;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.tokenizer.Tokenizer;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.TrainOutput;
import org.peftjava.transformers.training.Trainer;
import org.peftjava.transformers.training.TrainingArguments;
import picocli.CommandLine;

/** One training run: evaluates, trains with a display of its progress, evaluates, saves. */
final class TrainingRun {
  private final PrintWriter out;
  private final PrintWriter err;
  private final CausalLanguageModel model;
  private final TrainingArguments args;
  private final Tokenizer tokenizer;

  TrainingRun(
      CommandLine line, CausalLanguageModel model, TrainingArguments args, Tokenizer tokenizer) {
    out = line.getOut();
    err = line.getErr();
    this.model = model;
    this.args = args;
    this.tokenizer = tokenizer;
  }

  int run(Dataset trainData, Optional<Dataset> evalData) {
    Trainer.Builder builder =
        Trainer.builder()
            .model(model)
            .args(args)
            .trainDataset(trainData)
            .tokenizer(tokenizer)
            .callbacks(new TrainingDisplay(err));
    evalData.ifPresent(builder::evalDataset);
    Trainer trainer = builder.build();
    Optional<Map<String, Double>> before = evalData.map(trainer::evaluate);
    before.ifPresent(metrics -> printEval("before", metrics));
    TrainOutput result;
    try (Cancellation cancellation = new Cancellation(trainer::cancel)) {
      result = trainer.train();
      trainer.saveModel(args.outputDir());
    }
    Optional<Map<String, Double>> after = evalData.map(trainer::evaluate);
    after.ifPresent(metrics -> printEval("after", metrics));
    out.printf(Locale.ROOT, "saved %s%n", args.outputDir());
    return result.cancelled() ? ExitCode.CANCELLED : ExitCode.OK;
  }

  private void printEval(String when, Map<String, Double> metrics) {
    out.printf(
        Locale.ROOT,
        "%s training: eval loss %.4f, perplexity %.2f%n",
        when,
        metrics.get("eval_loss"),
        metrics.get("eval_perplexity"));
    out.flush();
  }
}
