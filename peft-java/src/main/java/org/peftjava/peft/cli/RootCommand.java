package org.peftjava.peft.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command line without a command: help and version. */
@Command(
    name = "peft",
    synopsisSubcommandLabel = "COMMAND",
    commandListHeading = "%nCommands:%n",
    versionProvider = Versions.class,
    description = "Parameter-efficient fine-tuning on the JVM.")
final class RootCommand implements Callable<Integer> {
  @SuppressWarnings("unused") // picocli reads the annotation
  @Mixin
  private CommonOptions common = new CommonOptions();

  @Spec private CommandSpec spec;

  @Option(
      names = {"-V", "--version"},
      versionHelp = true,
      description = "Show the versions.")
  @SuppressWarnings("unused") // picocli reads the annotation
  private boolean version;

  @Override
  public Integer call() {
    spec.commandLine().usage(spec.commandLine().getErr());
    return ExitCode.USAGE;
  }
}
