package org.peftjava.transformers;

import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.checkpoint.TransformersCard;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.hub.PushOptions;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.Task;

/** A model without adapters, as loading and saving see it: a backbone, and perhaps a head. */
interface CheckpointModel extends PretrainedModel {
  /** What the model is for. */
  Task task();

  /** The stack below the head. */
  Backbone backbone();

  /** The backbone's name in the module tree; empty if it is the whole tree. */
  String backboneName();

  /** Which of the model's weights are one. */
  Ties ties();

  /** Whether a checkpoint may lack the weight of this name, which then gets fresh values. */
  default boolean mayBeNew(String name) {
    String prefix = backboneName().isEmpty() ? "" : backboneName() + ".";
    return !name.startsWith(prefix)
        || backbone().optionalChildren().stream()
            .anyMatch(child -> name.startsWith(prefix + child + "."));
  }

  /** What {@code generation_config.json} holds, if the model generates. */
  default Optional<GenerationConfig> savedGenerationConfig() {
    return Optional.empty();
  }

  @Override
  default Device device() {
    Parameter table = backbone().inputEmbeddings().table();
    return table.isMaterialized() ? table.tensor().device() : Device.CPU;
  }

  @Override
  default DType dtype() {
    return backbone().inputEmbeddings().table().dtype();
  }

  @Override
  default void gradientCheckpointing(boolean on) {
    backbone().gradientCheckpointing(on);
  }

  @Override
  default void savePretrained(Path folder) {
    savePretrained(folder, options -> {});
  }

  /** The same with options, such as {@code maxShardSize("5GB")}. */
  default void savePretrained(Path folder, Consumer<SaveOptions.Builder> options) {
    PretrainedFiles.save(this, folder, SaveOptions.of(options));
  }

  @Override
  default void saveForHub(Path folder, PushOptions push) {
    TransformersCard.write(folder, push.tags());
    savePretrained(folder, options -> push.maxShardSize().ifPresent(options::maxShardSize));
  }

  /** The class's name in Python, or "model" if that is a part of it, as transformers does. */
  @Override
  default String hubName() {
    String name = architecture().className(task());
    return name.contains("Model") ? "model" : name;
  }

  @Override
  default void loadWeights(Path folder) {
    PretrainedWeights.copyInto(this, folder);
  }
}
