package org.peftjava.transformers;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.peftjava.transformers.checkpoint.FileBatch;
import org.peftjava.transformers.checkpoint.PretrainedFolder;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.Architectures;
import org.peftjava.transformers.model.ConfigRules;

/** Reads the configuration of a model of whatever architecture {@code config.json} names. */
public final class AutoConfig {
  private static final String CONFIG = "config.json";

  private AutoConfig() {}

  /** Reads the configuration of the model in a folder. */
  public static PretrainedConfig fromPretrained(String nameOrPath) {
    return fromPretrained(nameOrPath, options -> {});
  }

  /** The same, changed by options such as {@code numLabels}. */
  public static PretrainedConfig fromPretrained(
      String nameOrPath, Consumer<LoadOptions.Builder> options) {
    LoadOptions load = LoadOptions.of(options);
    return read(
        PretrainedFolder.resolve(nameOrPath, load.subfolder(), PretrainedFolder.CONFIG, load.hub()),
        nameOrPath,
        load);
  }

  /** The configuration that these settings make. */
  public static PretrainedConfig of(ConfigJson json) {
    ConfigRules.layerCounts(json);
    return Architectures.get(json.getString("model_type")).config(json);
  }

  static PretrainedConfig read(Path folder, String name, LoadOptions options) {
    FileBatch.finishInterrupted(folder);
    Path file = folder.resolve(CONFIG);
    if (!Files.isRegularFile(file)) {
      throw new IllegalArgumentException(
          "The folder "
              + folder
              + " has no "
              + CONFIG
              + ". Expected a model folder with "
              + CONFIG
              + " and model.safetensors.");
    }
    return of(options.configChanges().apply(ConfigJson.read(file))).withNameOrPath(name);
  }
}
