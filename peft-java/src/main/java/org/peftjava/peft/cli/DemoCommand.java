package org.peftjava.peft.cli;

import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code peft demo}: the whole way of an adapter, with the model and text that are shipped. */
@Command(
    name = "demo",
    description = {
      "Shows the whole way of an adapter, with a small model and text that come with this program.",
      "",
      "Fine-tunes a model that tells stories until it says proverbs: evaluates, trains, evaluates"
          + " again, saves, loads, merges and generates. Needs about a minute on two cores."
    })
final class DemoCommand implements Callable<Integer> {
  private static final int STEPS = 200;
  private static final int QUICK_STEPS = 40;

  @Spec private CommandSpec spec;
  @Mixin private CommonOptions common = new CommonOptions();

  @Option(
      names = "--output",
      paramLabel = "DIR",
      description = "Where everything goes (default: ${DEFAULT-VALUE}).")
  private Path output = Path.of("peft-demo");

  @Option(
      names = "--quick",
      description = "Train for " + QUICK_STEPS + " steps in place of " + STEPS + ".")
  private boolean quick;

  @Option(names = "--max-steps", paramLabel = "N", description = "Train for so many steps.")
  private @Nullable Integer maxSteps;

  @Option(
      names = "--base",
      paramLabel = "DIR",
      description = "Another base model, with the demonstration's tokenizer.")
  private @Nullable Path base;

  @Override
  public Integer call() {
    if (base != null) {
      Inputs.folder("base model", base);
    }
    Inputs.outputFolder(output);
    common.apply();
    DemoFiles files = DemoFiles.extract(output, Optional.ofNullable(base));
    int steps = quick ? QUICK_STEPS : STEPS;
    return new Demo(spec.commandLine(), files, maxSteps == null ? steps : maxSteps).run();
  }
}
