package org.peftjava.transformers;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.peftjava.quant.QuantizationConfig;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.StateDict;
import org.peftjava.transformers.checkpoint.Checkpoints;
import org.peftjava.transformers.checkpoint.FileBatch;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.Labels;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.generation.GenerationConfig;

/** The files of a model folder, as transformers' {@code save_pretrained} writes them. */
final class PretrainedFiles {
  static final String GENERATION_CONFIG = "generation_config.json";

  /** The version of transformers whose file format is written. */
  static final String FORMAT_VERSION = "5.17.0";

  private PretrainedFiles() {}

  /** Writes weights, generation settings and, last, the config that makes the folder a model. */
  static void save(CheckpointModel model, Path folder, SaveOptions options) {
    Map<String, Tensor> tensors = new LinkedHashMap<>(StateDict.of(model.module()));
    model.ties().tied().forEach(tensors::remove);
    try (FileBatch files = FileBatch.open(folder)) {
      Checkpoints.write(files, tensors, options.maxShardSize());
      writeGenerationConfig(model, files);
      files.write("config.json", config(model).toBytes());
      files.commit();
    }
  }

  /** Writes the adapter that acts and the generation settings. */
  static void saveAdapter(CheckpointModel model, Path folder) {
    model.adapters().get().save(model.adapters().saved(), folder);
    try (FileBatch files = FileBatch.open(folder)) {
      writeGenerationConfig(model, files);
      files.commit();
    }
  }

  private static void writeGenerationConfig(CheckpointModel model, FileBatch files) {
    model
        .savedGenerationConfig()
        .ifPresent(
            settings -> files.write(GENERATION_CONFIG, versioned(settings.json()).toBytes()));
  }

  private static ConfigJson config(CheckpointModel model) {
    ConfigJson json =
        Labels.normalized(versioned(model.config().json()))
            .without("torch_dtype")
            .without("_name_or_path")
            .with("architectures", List.of(model.architecture().className(model.task())))
            .with("dtype", model.dtype().pythonName());
    Optional<QuantizationConfig> quantization = ModelQuantization.toSave(model);
    json =
        quantization.isPresent()
            ? json.with(QuantizationJson.KEY, quantization.get().toDict())
            : json.without(QuantizationJson.KEY);
    return model.ties().isEmpty()
        ? json
        : json.with("tie_word_embeddings", !model.ties().tied().isEmpty());
  }

  private static ConfigJson versioned(ConfigJson json) {
    return json.has("transformers_version")
        ? json
        : json.with("transformers_version", FORMAT_VERSION);
  }

  /** The folder's {@code generation_config.json}, else what the model's config says. */
  /** The generation settings of a folder; without a file of their own those in the config's. */
  static GenerationConfig generationConfig(Path folder) {
    Path file = folder.resolve(GENERATION_CONFIG);
    return Files.isRegularFile(file)
        ? GenerationConfig.of(ConfigJson.read(file))
        : GenerationConfig.fromModelConfig(ConfigJson.read(folder.resolve("config.json")));
  }

  static GenerationConfig generationDefaults(PretrainedConfig config) {
    return GenerationConfig.fromModelConfig(config.json());
  }
}
