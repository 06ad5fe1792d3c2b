package org.peftjava.peft.cli;

import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.PeftConfig;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** A base model and, if wanted, an adapter, which also knows where its base model is. */
final class AdaptedModelOptions {
  @Option(
      names = "--model",
      paramLabel = "DIR",
      description = "The base model's folder (default: the one that the adapter names).")
  private @Nullable Path model;

  @Option(names = "--adapter", paramLabel = "DIR", description = "The adapter's folder.")
  private @Nullable Path adapter;

  @Mixin private ModelOptions modelOptions = new ModelOptions();

  Optional<Path> adapter() {
    return Optional.ofNullable(adapter);
  }

  /** The base model's folder; checks it and the adapter's. */
  Path baseFolder() {
    modelOptions.check();
    if (adapter != null) {
      Inputs.folder("adapter", adapter);
    }
    if (model != null) {
      return Inputs.folder("model", model);
    }
    if (adapter == null) {
      throw new CommandFailure(ExitCode.USAGE, "Give --model, --adapter or both.");
    }
    Path folder = adapter;
    String base =
        CommandFailure.data(() -> PeftConfig.fromPretrained(folder))
            .baseModelNameOrPath()
            .orElseThrow(
                () ->
                    new CommandFailure(
                        ExitCode.USAGE,
                        "The adapter in " + folder + " names no base model. Give --model, too."));
    return Inputs.folder("base model's", Path.of(base));
  }

  CausalLM loadBase() {
    return modelOptions.load(baseFolder());
  }

  /** Puts the adapter onto the model. */
  PeftModelForCausalLM adapt(CausalLM base, Path adapterFolder) {
    return CommandFailure.data(() -> PeftModel.fromPretrained(base, adapterFolder, options -> {}));
  }
}
