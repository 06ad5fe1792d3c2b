package org.peftjava.transformers;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.peftjava.torch.DType;
import org.peftjava.transformers.checkpoint.FileBatch;
import org.peftjava.transformers.checkpoint.PretrainedFolder;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.model.Architectures;

/** Loads or builds a language model of whatever architecture its config names. */
public final class AutoModelForCausalLM {
  private static final String CONFIG = "config.json";

  private AutoModelForCausalLM() {}

  /**
   * Loads a model from a folder, or from the hub through its cache, with its own settings, on the
   * CPU, ready for inference.
   */
  public static CausalLM fromPretrained(String nameOrPath) {
    return fromPretrained(nameOrPath, options -> {});
  }

  /**
   * Loads a model from a folder that holds {@code config.json} and {@code model.safetensors} or
   * {@code pytorch_model.bin} (or shards with an index); a name that is no folder is looked up on
   * the hub.
   *
   * <p>Weights whose type need not change are mapped, not read: they take memory only as far as
   * they are touched, and share it with other processes. Otherwise one tensor at a time is
   * converted. A weight that is missing or has another shape is an error; one without a place is
   * named in a warning.
   */
  public static CausalLM fromPretrained(String nameOrPath, Consumer<LoadOptions.Builder> options) {
    LoadOptions load = LoadOptions.of(options);
    Path folder = PretrainedFolder.resolve(nameOrPath, PretrainedFolder.MODEL, load.hub());
    return load(folder, nameOrPath, load);
  }

  /** The same for a folder. */
  public static CausalLM fromPretrained(Path folder) {
    return fromPretrained(folder, options -> {});
  }

  /** The same for a folder. */
  public static CausalLM fromPretrained(Path folder, Consumer<LoadOptions.Builder> options) {
    return load(folder, folder.toString(), LoadOptions.of(options));
  }

  /**
   * Builds a model with random weights, in training mode, as {@code from_config} in Python. {@code
   * Randomness.manualSeed} makes the weights repeatable.
   */
  public static CausalLM fromConfig(PretrainedConfig config, DType dtype) {
    CausalLM model = withoutWeights(config, dtype);
    model.initialize();
    return model;
  }

  /** Builds a model that has names and shapes but no memory: to count, or to load later. */
  public static CausalLM withoutWeights(PretrainedConfig config, DType dtype) {
    return new CausalLM(config, PretrainedFiles.generationDefaults(config), dtype);
  }

  /** Reads the configuration of the model in a folder. */
  public static PretrainedConfig config(Path folder) {
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
    ConfigJson json = ConfigJson.read(file);
    return Architectures.get(json.getString("model_type"))
        .config(json)
        .withNameOrPath(folder.toString());
  }

  private static CausalLM load(Path folder, String name, LoadOptions options) {
    PretrainedConfig config = config(folder).withNameOrPath(name);
    GenerationConfig generation = PretrainedFiles.generationConfig(folder, config);
    return PretrainedWeights.load(folder, config, generation, options);
  }
}
