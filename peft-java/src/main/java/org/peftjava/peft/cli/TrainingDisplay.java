package org.peftjava.peft.cli;

import java.io.PrintWriter;
import java.util.Locale;
import java.util.Map;
import org.peftjava.transformers.training.TrainerCallback;
import org.peftjava.transformers.training.TrainingProgress;

/** One line for each logged loss and each evaluation: for logs and pipes. */
final class TrainingDisplay implements TrainerCallback {
  private final PrintWriter err;

  TrainingDisplay(PrintWriter err) {
    this.err = err;
  }

  @Override
  public void onLog(TrainingProgress progress, Map<String, Double> logs) {
    Double loss = logs.get("loss");
    if (loss != null) {
      err.printf(
          Locale.ROOT,
          "step %d/%d  loss %.4f  lr %.3g  grad norm %.3g  %s%n",
          progress.state().globalStep(),
          progress.state().maxSteps(),
          loss,
          logs.get("learning_rate"),
          logs.get("grad_norm"),
          speed(progress));
      err.flush();
    }
  }

  @Override
  public void onEvaluate(TrainingProgress progress, Map<String, Double> metrics) {
    err.printf(
        Locale.ROOT,
        "step %d/%d  eval loss %.4f%n",
        progress.state().globalStep(),
        progress.state().maxSteps(),
        metrics.get("eval_loss"));
    err.flush();
  }

  /** Tokens a second, and memory of the process. */
  static String speed(TrainingProgress progress) {
    return String.format(
        Locale.ROOT,
        "%,.0f tok/s  %.2f GiB",
        progress.tokensPerSecond(),
        progress.residentBytes() / (double) (1L << 30));
  }
}
