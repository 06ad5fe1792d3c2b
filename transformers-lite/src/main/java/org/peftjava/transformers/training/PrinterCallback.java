package org.peftjava.transformers.training;

import java.io.PrintStream;
import java.util.Map;

/**
 * Prints each log line, as Python does: {@code {'loss': '6.75', 'learning_rate': '0.005', 'epoch':
 * '0.5'}}. Without it the lines go to the log of {@link Trainer}, at level INFO.
 *
 * <p>Reference: {@code trainer_callback.py::PrinterCallback}.
 */
public final class PrinterCallback implements TrainerCallback {
  private final PrintStream out;

  /** Prints to standard output. */
  public PrinterCallback() {
    this(System.out);
  }

  /** Prints there. */
  public PrinterCallback(PrintStream out) {
    this.out = out;
  }

  @Override
  public void onLog(TrainingProgress progress, Map<String, Double> logs) {
    out.println(LogText.of(logs));
  }
}
