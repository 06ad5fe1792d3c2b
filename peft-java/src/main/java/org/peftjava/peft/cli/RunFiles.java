package org.peftjava.peft.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;

/** What a run leaves beside the weights: {@code training.json} and {@code loss.png}. */
final class RunFiles {
  static final String REPORT = "training.json";
  static final String PLOT = "loss.png";

  private RunFiles() {}

  /** Writes both and says how the run went; returns the exit code. */
  static int finish(PrintWriter out, RunResult result, RunReport report, Path folder) {
    write(result, report, folder);
    Map<String, Double> metrics = result.output().metrics();
    out.printf(
        Locale.ROOT,
        "%d steps, loss %.4f, %.1f s, %,.0f tokens/s, peak memory %.2f GiB%n",
        result.output().globalStep(),
        result.output().trainingLoss(),
        Metrics.get(metrics, "train_runtime"),
        Metrics.get(metrics, "train_tokens_per_second"),
        Metrics.get(metrics, "train_peak_memory_bytes") / (1L << 30));
    out.println("saved to " + folder + " with " + REPORT + " and " + PLOT);
    if (result.output().cancelled()) {
      out.println("cancelled; the same command with --resume goes on");
      return ExitCode.CANCELLED;
    }
    return ExitCode.OK;
  }

  static void write(RunResult result, RunReport report, Path folder) {
    report.with(result).write(folder.resolve(REPORT));
    LossPlot.write(result.logHistory(), folder.resolve(PLOT));
  }
}
