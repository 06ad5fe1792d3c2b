package org.peftjava.peft.cli;

import java.io.Console;
import java.io.PrintWriter;
import java.nio.charset.Charset;
import java.util.LinkedHashMap;
import java.util.Map;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.hub.TransferListener;

/**
 * A progress bar for each file that comes from the hub, and one for all that go there together: on
 * a terminal; elsewhere nothing.
 */
final class TransferBar implements TransferListener, AutoCloseable {
  private static final int WIDTH = 110;
  private static final int UPDATE_MILLIS = 250;
  private static final long MEBIBYTE = 1 << 20;

  private final @Nullable PrintWriter err;
  private @Nullable ProgressBar bar;
  private final Map<String, Part> files = new LinkedHashMap<>();

  /** How much of a file is there. */
  private record Part(long bytes, long total) {
    boolean isDone() {
      return bytes == total;
    }
  }

  private TransferBar(@Nullable PrintWriter err) {
    this.err = err;
  }

  /** A bar on this process's terminal, if it has one. */
  @SuppressWarnings("SystemConsoleNull") // from JDK 22 on, TERM tells
  static TransferBar onTerminal() {
    Console console = System.console();
    boolean terminal = console != null && System.getenv("TERM") != null;
    return new TransferBar(
        terminal ? new PrintWriter(System.err, true, Charset.defaultCharset()) : null);
  }

  @Override
  public void onProgress(String name, long bytes, long total) {
    if (err == null) {
      return;
    }
    if (bar != null && files.values().stream().allMatch(Part::isDone) && !files.containsKey(name)) {
      close();
    }
    files.put(name, new Part(bytes, total));
    long all = files.values().stream().mapToLong(Part::total).sum();
    if (bar == null) {
      bar =
          new ProgressBarBuilder()
              .setTaskName(name)
              .setInitialMax(all)
              .setUnit("MiB", MEBIBYTE)
              .setStyle(ProgressBarStyle.ASCII)
              .setUpdateIntervalMillis(UPDATE_MILLIS)
              .setConsumer(new DelegatingProgressBarConsumer(this::draw, WIDTH))
              .build();
    }
    bar.maxHint(all);
    bar.stepTo(files.values().stream().mapToLong(Part::bytes).sum());
    bar.setExtraMessage(files.size() == 1 ? "" : " and " + (files.size() - 1) + " more");
  }

  /** Ends the line. */
  @Override
  public void close() {
    if (bar != null && err != null) {
      bar.close();
      bar = null;
      files.clear();
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
