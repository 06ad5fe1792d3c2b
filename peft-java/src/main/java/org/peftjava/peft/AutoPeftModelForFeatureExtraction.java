package org.peftjava.peft;

import java.nio.file.Path;
import java.util.function.Consumer;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.transformers.AutoModel;

/** Loads an adapter of a model without head, together with the base model that its config names. */
public final class AutoPeftModelForFeatureExtraction {
  private AutoPeftModelForFeatureExtraction() {}

  /** Loads base model and adapter; closing the result closes both. */
  public static PeftModelForFeatureExtraction fromPretrained(String nameOrPath) {
    return fromPretrained(nameOrPath, options -> {});
  }

  /** The same with options. */
  public static PeftModelForFeatureExtraction fromPretrained(
      String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    LoadAdapterOptions load = LoadAdapterOptions.of(options);
    return load(load.folderWithTokenizer(nameOrPath), load);
  }

  /** The same for a folder. */
  public static PeftModelForFeatureExtraction fromPretrained(
      Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    LoadAdapterOptions load = LoadAdapterOptions.of(options);
    return load(load.folder(folder), load);
  }

  /** The same for the folder that holds the adapter itself. */
  static PeftModelForFeatureExtraction load(Path folder, LoadAdapterOptions options) {
    return AdapterFolders.auto(
        folder,
        options,
        TaskType.FEATURE_EXTRACTION,
        AutoModel::fromPretrained,
        model -> new PeftModelForFeatureExtraction(model, true));
  }
}
