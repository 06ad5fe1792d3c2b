package org.peftjava.peft.cli;

import java.io.Console;
import java.io.PrintWriter;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.training.TrainerCallback;

/** How a run's progress is shown: a bar on a terminal, lines elsewhere. Closing ends the bar. */
record ProgressDisplay(TrainerCallback callback, @Nullable TrainingBar bar)
    implements AutoCloseable {
  /** A bar if the process has a terminal. */
  @SuppressWarnings("SystemConsoleNull") // from JDK 22 on, TERM tells
  static ProgressDisplay on(PrintWriter err) {
    Console console = System.console();
    if (console == null || System.getenv("TERM") == null) {
      return new ProgressDisplay(new TrainingDisplay(err), null);
    }
    TrainingBar bar = new TrainingBar(err);
    return new ProgressDisplay(bar, bar);
  }

  @Override
  public void close() {
    if (bar != null) {
      bar.close();
    }
  }
}
