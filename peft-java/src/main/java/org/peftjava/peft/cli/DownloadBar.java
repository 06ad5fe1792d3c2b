package org.peftjava.peft.cli;

import java.io.Console;
import java.io.PrintWriter;
import java.nio.charset.Charset;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.hub.TransferListener;

/** A progress bar for each file that comes from the hub: on a terminal; elsewhere nothing. */
final class DownloadBar implements TransferListener, AutoCloseable {
  private static final int WIDTH = 110;
  private static final int UPDATE_MILLIS = 250;
  private static final long MEBIBYTE = 1 << 20;

  private final @Nullable PrintWriter err;
  private @Nullable ProgressBar bar;
  private String file = "";

  private DownloadBar(@Nullable PrintWriter err) {
    this.err = err;
  }

  /** A bar on this process's terminal, if it has one. */
  @SuppressWarnings("SystemConsoleNull") // from JDK 22 on, TERM tells
  static DownloadBar onTerminal() {
    Console console = System.console();
    boolean terminal = console != null && System.getenv("TERM") != null;
    return new DownloadBar(
        terminal ? new PrintWriter(System.err, true, Charset.defaultCharset()) : null);
  }

  @Override
  public void onProgress(String name, long bytes, long total) {
    if (err == null) {
      return;
    }
    if (bar == null || !name.equals(file)) {
      close();
      file = name;
      bar =
          new ProgressBarBuilder()
              .setTaskName(name)
              .setInitialMax(total)
              .setUnit("MiB", MEBIBYTE)
              .setStyle(ProgressBarStyle.ASCII)
              .setUpdateIntervalMillis(UPDATE_MILLIS)
              .setConsumer(new DelegatingProgressBarConsumer(this::draw, WIDTH))
              .build();
    }
    bar.stepTo(bytes);
  }

  /** Ends the line. */
  @Override
  public void close() {
    if (bar != null && err != null) {
      bar.close();
      bar = null;
      err.println();
    }
  }

  private void draw(String line) {
    if (err != null) {
      err.print("\r" + line);
      err.flush();
    }
  }
}
