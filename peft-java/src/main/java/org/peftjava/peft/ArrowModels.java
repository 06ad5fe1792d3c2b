package org.peftjava.peft;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.peftjava.peft.tuner.lora.ArrowConfig;
import org.peftjava.peft.tuner.lora.ArrowRouter;
import org.peftjava.transformers.checkpoint.PretrainedFolder;

/** Loads LoRA adapters and puts a router over them. Reference: PEFT {@code lora/arrow.py}. */
final class ArrowModels {
  private final PeftModel model;
  private final Consumer<LoadAdapterOptions.Builder> options;

  private ArrowModels(PeftModel model, Consumer<LoadAdapterOptions.Builder> options) {
    this.model = model;
    this.options = options;
  }

  /**
   * The model with all adapters and the router, which acts. If it throws, the model is closed and
   * its base is as it was.
   *
   * @param model without adapters
   */
  static <M extends PeftModel> M create(
      M model,
      List<String> tasks,
      ArrowConfig config,
      List<String> general,
      Consumer<LoadAdapterOptions.Builder> options) {
    try {
      if (tasks.isEmpty()) {
        throw new IllegalArgumentException(
            "createArrowModel needs at least one adapter in taskSpecificAdapterPaths.");
      }
      if (config.useGks() && general.isEmpty()) {
        throw new IllegalArgumentException(
            "createArrowModel needs generalAdapterPaths if the config has useGks.");
      }
      ArrowModels loading = new ArrowModels(model, options);
      List<String> taskNames = loading.load(tasks, ArrowRouter.TASK_PREFIX);
      List<String> generalNames =
          config.useGks() ? loading.load(general, ArrowRouter.GENERAL_PREFIX) : List.of();
      model.addAdapter(
          ArrowRouter.NAME, ArrowRouter.config(model.tuned(), taskNames, generalNames, config));
      model.setAdapter(ArrowRouter.NAME);
      return model;
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  private List<String> load(List<String> paths, String prefix) {
    List<String> names = new ArrayList<>();
    for (String path : paths) {
      String name = prefix + names.size();
      Consumer<LoadAdapterOptions.Builder> named = options.andThen(o -> o.adapterName(name));
      model.loadAdapter(folder(path), named);
      names.add(name);
    }
    return names;
  }

  /** A folder here, or of a repository: "user/name/folder/in/it". */
  private Path folder(String path) {
    List<String> parts = List.of(path.split("/", -1));
    if (Files.isDirectory(Path.of(path)) || parts.size() < 3 || path.startsWith("/")) {
      return LoadAdapterOptions.of(options).folder(path);
    }
    String below = String.join("/", parts.subList(2, parts.size()));
    return PretrainedFolder.resolve(
        parts.get(0) + "/" + parts.get(1),
        Optional.of(below),
        PretrainedFolder.ADAPTER,
        LoadAdapterOptions.of(options).hub());
  }
}
