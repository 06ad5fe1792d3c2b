package org.peftjava.peft.cli;

import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.PeftConfig;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.checkpoint.PretrainedFolder;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** A base model and, if wanted, an adapter, which also knows where its base model is. */
final class AdaptedModelOptions {
  @Option(
      names = "--model",
      paramLabel = "DIR",
      description = "The base model's folder or hub id (default: the one that the adapter names).")
  private @Nullable Path model;

  @Option(names = "--adapter", paramLabel = "DIR", description = "The adapter's folder or hub id.")
  private @Nullable Path adapter;

  @Mixin private ModelOptions modelOptions = new ModelOptions();

  Optional<Path> adapter() {
    return Optional.ofNullable(adapter);
  }

  /** The base model's folder, after a download if it is on the hub; checks it and the adapter's. */
  Path baseFolder() {
    return Inputs.pretrained(model == null ? "base model's" : "model", base(), Inputs.MODEL);
  }

  /** The base model as it was named. */
  private Path base() {
    modelOptions.check();
    if (adapter != null) {
      adapter = Inputs.pretrained("adapter", adapter, PretrainedFolder.ADAPTER);
    }
    if (model != null) {
      return model;
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
    return Path.of(base);
  }

  CausalLM loadBase() {
    baseFolder();
    return modelOptions.load(base());
  }

  /** Puts the adapter onto the model. */
  PeftModelForCausalLM adapt(CausalLM base, Path adapterFolder) {
    return CommandFailure.data(() -> PeftModel.fromPretrained(base, adapterFolder, options -> {}));
  }
}
