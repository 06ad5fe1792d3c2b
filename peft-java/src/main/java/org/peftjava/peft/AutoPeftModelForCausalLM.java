package org.peftjava.peft;

import java.nio.file.Path;
import java.util.function.Consumer;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.transformers.AutoModelForCausalLM;

/** Loads an adapter together with the base model that its config names. */
public final class AutoPeftModelForCausalLM {
  private AutoPeftModelForCausalLM() {}

  /** Loads base model and adapter; closing the result closes both. */
  public static PeftModelForCausalLM fromPretrained(String nameOrPath) {
    return fromPretrained(nameOrPath, options -> {});
  }

  /** The same with options. */
  public static PeftModelForCausalLM fromPretrained(
      String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    LoadAdapterOptions load = LoadAdapterOptions.of(options);
    return load(load.folderWithTokenizer(nameOrPath), load);
  }

  /** The same for a folder. */
  public static PeftModelForCausalLM fromPretrained(
      Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    LoadAdapterOptions load = LoadAdapterOptions.of(options);
    return load(load.folder(folder), load);
  }

  /** The same for the folder that holds the adapter itself. */
  static PeftModelForCausalLM load(Path folder, LoadAdapterOptions options) {
    return AdapterFolders.auto(
        folder,
        options,
        TaskType.CAUSAL_LM,
        AutoModelForCausalLM::fromPretrained,
        model -> new PeftModelForCausalLM(model, true));
  }
}
