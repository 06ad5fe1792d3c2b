package org.peftjava.peft.cli;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.runtime.NativeRuntime;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The options and the footer of every command. */
@Command(
    sortOptions = false,
    usageHelpAutoWidth = true,
    abbreviateSynopsis = true,
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "  0:done",
      "  1:failed while running",
      "  2:wrong usage",
      " 65:a file has bad contents",
      " 66:an input does not exist or cannot be read",
      " 73:an output cannot be created",
      "130:cancelled with Ctrl-C"
    })
final class CommonOptions {
  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      order = 1000,
      description = "Show this help.")
  @SuppressWarnings("unused") // picocli reads the annotation
  private boolean help;

  @Option(names = "--debug", order = 1001, description = "Show stack traces of errors.")
  private boolean debug;

  @Option(
      names = "--threads",
      order = 1002,
      paramLabel = "N",
      description = "Threads for one operation (default: one for each core).")
  private @Nullable Integer threads;

  /** Whether errors come with stack traces. */
  boolean debug() {
    return debug;
  }

  /** Applies the options that concern the process. */
  void apply() {
    if (threads != null) {
      int count = threads;
      CommandFailure.usage(
          () -> {
            NativeRuntime.setThreads(count);
            return count;
          });
    }
  }
}
