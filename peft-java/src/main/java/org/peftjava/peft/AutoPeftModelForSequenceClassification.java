package org.peftjava.peft;

import java.nio.file.Path;
import java.util.function.Consumer;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.transformers.AutoModelForSequenceClassification;

/** Loads an adapter of a text classifier, together with the base model that its config names. */
public final class AutoPeftModelForSequenceClassification {
  private AutoPeftModelForSequenceClassification() {}

  /** Loads base model and adapter; closing the result closes both. */
  public static PeftModelForTask fromPretrained(String nameOrPath) {
    return fromPretrained(nameOrPath, options -> {});
  }

  /** The same with options. */
  public static PeftModelForTask fromPretrained(
      String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    LoadAdapterOptions load = LoadAdapterOptions.of(options);
    return load(load.folderWithTokenizer(nameOrPath), load);
  }

  /** The same for a folder. */
  public static PeftModelForTask fromPretrained(
      Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    LoadAdapterOptions load = LoadAdapterOptions.of(options);
    return load(load.folder(folder), load);
  }

  /** The same for the folder that holds the adapter itself. */
  static PeftModelForTask load(Path folder, LoadAdapterOptions options) {
    return AdapterFolders.auto(
        folder,
        options,
        TaskType.SEQ_CLS,
        AutoModelForSequenceClassification::fromPretrained,
        model -> new PeftModelForTask(model, true));
  }
}
