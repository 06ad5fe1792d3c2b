package org.peftjava.peft.cli;

import java.io.PrintWriter;
import java.io.UncheckedIOException;
import org.peftjava.transformers.config.InvalidFileException;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;

/** Turns what goes wrong into one sentence on stderr and an exit code. */
final class Failures {
  private Failures() {}

  /** Wrong options or parameters. */
  static int usage(ParameterException failure, String[] args) {
    CommandLine line = failure.getCommandLine();
    String name = line.getCommandSpec().qualifiedName();
    PrintWriter err = line.getErr();
    String message = String.valueOf(failure.getMessage()).strip();
    err.println(
        name + ": " + message + (message.endsWith(".") ? "" : ".") + " See " + name + " --help.");
    return ExitCode.USAGE;
  }

  /** Anything thrown by a command. */
  static int execution(Exception failure, CommandLine line, ParseResult parsed) {
    PrintWriter err = line.getErr();
    String sentence = new OptionNames(line.getCommandSpec()).in(sentence(failure));
    err.println(line.getCommandSpec().qualifiedName() + ": " + sentence);
    if (Main.common(line.getCommandSpec()).debug()) {
      failure.printStackTrace(err);
    }
    return exitCode(failure);
  }

  private static int exitCode(Exception failure) {
    if (failure instanceof CommandFailure known) {
      return known.exitCode();
    }
    return failure instanceof InvalidFileException ? ExitCode.BAD_DATA : ExitCode.FAILURE;
  }

  private static String sentence(Exception failure) {
    String message = failure.getMessage();
    if (message == null || message.isBlank()) {
      return "Unexpected " + failure.getClass().getSimpleName() + ". Run again with --debug.";
    }
    Throwable cause = failure.getCause();
    return failure instanceof UncheckedIOException && cause != null
        ? message.replace(cause.getClass().getName() + ": ", "")
        : message;
  }
}
