package org.peftjava.peft.cli;

import java.io.PrintWriter;
import java.util.Locale;
import java.util.Map;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.training.TrainerCallback;
import org.peftjava.transformers.training.TrainingProgress;

/** A progress bar with loss, speed and memory: for terminals. */
final class TrainingBar implements TrainerCallback {
  private static final int WIDTH = 110;
  private static final int UPDATE_MILLIS = 250;

  private final PrintWriter err;
  private @Nullable ProgressBar bar;
  private String loss = "";

  TrainingBar(PrintWriter err) {
    this.err = err;
  }

  @Override
  public void onTrainBegin(TrainingProgress progress) {
    // With a consumer of our own the library asks no terminal, which would take Ctrl-C from us.
    bar =
        new ProgressBarBuilder()
            .setTaskName("training")
            .setInitialMax(progress.state().maxSteps())
            .setStyle(ProgressBarStyle.ASCII)
            .setUpdateIntervalMillis(UPDATE_MILLIS)
            .setConsumer(new DelegatingProgressBarConsumer(this::draw, WIDTH))
            .build();
    bar.stepTo(progress.state().globalStep());
  }

  @Override
  public void onStepEnd(TrainingProgress progress) {
    if (bar != null) {
      bar.setExtraMessage(loss + " " + TrainingDisplay.speed(progress));
      bar.stepTo(progress.state().globalStep());
    }
  }

  @Override
  public void onLog(TrainingProgress progress, Map<String, Double> logs) {
    Double logged = logs.get("loss");
    if (logged != null) {
      loss = String.format(Locale.ROOT, " loss %.3f", logged);
    }
  }

  @Override
  public void onTrainEnd(TrainingProgress progress) {
    close();
  }

  /** Ends the line; also after a failure. */
  void close() {
    if (bar != null) {
      bar.close();
      bar = null;
      err.println();
      err.flush();
    }
  }

  private void draw(String line) {
    err.print("\r" + line);
    err.flush();
  }
}
