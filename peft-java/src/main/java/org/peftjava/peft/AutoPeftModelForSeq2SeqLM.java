package org.peftjava.peft;

import java.nio.file.Path;
import java.util.function.Consumer;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;

/**
 * Loads an adapter of a model that writes text from text, together with the base model that its
 * config names.
 */
public final class AutoPeftModelForSeq2SeqLM {
  private AutoPeftModelForSeq2SeqLM() {}

  /** Loads base model and adapter; closing the result closes both. */
  public static PeftModelForSeq2SeqLM fromPretrained(String nameOrPath) {
    return fromPretrained(nameOrPath, options -> {});
  }

  /** The same with options. */
  public static PeftModelForSeq2SeqLM fromPretrained(
      String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    LoadAdapterOptions load = LoadAdapterOptions.of(options);
    return load(load.folderWithTokenizer(nameOrPath), load);
  }

  /** The same for a folder. */
  public static PeftModelForSeq2SeqLM fromPretrained(
      Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    LoadAdapterOptions load = LoadAdapterOptions.of(options);
    return load(load.folder(folder), load);
  }

  /** The same for the folder that holds the adapter itself. */
  static PeftModelForSeq2SeqLM load(Path folder, LoadAdapterOptions options) {
    return AdapterFolders.auto(
        folder,
        options,
        TaskType.SEQ_2_SEQ_LM,
        AutoModelForSeq2SeqLM::fromPretrained,
        model -> new PeftModelForSeq2SeqLM(model, true));
  }
}
