package org.peftjava.peft.cli;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Why a command ends early: one sentence for the user, and the exit code. */
final class CommandFailure extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final int exitCode;

  CommandFailure(int exitCode, String message, @Nullable Throwable cause) {
    super(message, cause);
    this.exitCode = exitCode;
  }

  CommandFailure(int exitCode, String message) {
    this(exitCode, message, null);
  }

  int exitCode() {
    return exitCode;
  }

  /** Does work whose wrong arguments mean wrong options. */
  static <T> T usage(Supplier<T> work) {
    return mapping(ExitCode.USAGE, work);
  }

  /** Does work whose wrong arguments mean wrong contents of files. */
  static <T> T data(Supplier<T> work) {
    return mapping(ExitCode.BAD_DATA, work);
  }

  private static <T> T mapping(int exitCode, Supplier<T> work) {
    try {
      return work.get();
    } catch (IllegalArgumentException e) {
      throw new CommandFailure(exitCode, String.valueOf(e.getMessage()), e);
    }
  }
}
