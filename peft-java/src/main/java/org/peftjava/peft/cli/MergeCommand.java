package org.peftjava.peft.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.tokenizer.Tokenizer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code peft merge}: makes an adapter part of its base model's weights. */
@Command(
    name = "merge",
    description = "Makes an adapter part of its base model and writes a plain model folder.")
final class MergeCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private CommonOptions common = new CommonOptions();
  @Mixin private AdaptedModelOptions models = new AdaptedModelOptions();

  @Option(
      names = "--output",
      required = true,
      paramLabel = "DIR",
      description = "Where the merged model goes.")
  private Path output = Path.of("");

  @Option(names = "--safe-merge", description = "Refuse merged weights that are not finite.")
  private boolean safeMerge;

  @Option(
      names = "--dequantize",
      description = "Make quantized weights dense before the merge, and write a dense model.")
  private boolean dequantize;

  @Override
  public Integer call() {
    Path adapter =
        models
            .adapter()
            .orElseThrow(
                () -> new CommandFailure(ExitCode.USAGE, "Give --adapter, what to merge."));
    Path base = models.baseFolder();
    Inputs.outputFolder(output);
    common.apply();
    try (CausalLM model = loadBase();
        PeftModelForCausalLM adapted = models.adapt(model, adapter)) {
      adapted.mergeAndUnload(options -> options.safeMerge(safeMerge));
      model.savePretrained(output);
    }
    PrintWriter out = spec.commandLine().getOut();
    boolean complete = copyTokenizer(List.of(adapter, base));
    out.println(
        "merged "
            + adapter
            + " into "
            + base
            + " -> "
            + output
            + (complete ? "" : " (no tokenizer)"));
    return ExitCode.OK;
  }

  private CausalLM loadBase() {
    CausalLM model = models.loadBase();
    if (dequantize) {
      try {
        model.dequantize();
      } catch (RuntimeException e) {
        model.close();
        throw e;
      }
    }
    return model;
  }

  /** The adapter's tokenizer if it has one, else the base model's. */
  private boolean copyTokenizer(List<Path> folders) {
    Optional<Path> source = folders.stream().filter(MergeCommand::hasTokenizer).findFirst();
    source.ifPresent(
        folder -> {
          try (Tokenizer tokenizer =
              CommandFailure.data(() -> AutoTokenizer.fromPretrained(folder))) {
            tokenizer.savePretrained(output);
          }
        });
    return source.isPresent();
  }

  private static boolean hasTokenizer(Path folder) {
    return folder.resolve("tokenizer.json").toFile().isFile()
        || folder.resolve("vocab.json").toFile().isFile();
  }
}
