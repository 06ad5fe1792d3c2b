package org.peftjava.transformers;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.AdapterConfig;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.ModuleList;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.checkpoint.TransformersCard;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.hub.PushOptions;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.LayerReplication;
import org.peftjava.transformers.model.Task;

/** A model without adapters, as loading and saving see it: a backbone, and perhaps a head. */
interface CheckpointModel extends PretrainedModel, PeftAdapterMixin {
  /** What the model is for. */
  Task task();

  /** The stack below the head. */
  Backbone backbone();

  /** The backbone's name in the module tree; empty if it is the whole tree. */
  String backboneName();

  /** Which of the model's weights are one. */
  Ties ties();

  /** Names of parameters with a number for each token that {@link #ties} do not name. */
  default List<String> tokenBiases() {
    return List.of();
  }

  /** The adapters that were added to the model itself. */
  AdapterSlot adapters();

  @Override
  default void addAdapter(AdapterConfig adapterConfig, String adapterName) {
    adapters().add(adapterConfig, adapterName);
  }

  @Override
  default void loadAdapter(String nameOrPath, Consumer<AdapterLoadOptions.Builder> options) {
    adapters().load(nameOrPath, AdapterLoadOptions.of(options));
  }

  @Override
  default void enablePeftHotswap(int targetRank) {
    adapters().enableHotswap(targetRank);
  }

  @Override
  default void setAdapter(String... adapterNames) {
    adapters().activate(List.of(adapterNames));
  }

  @Override
  default void enableAdapters() {
    adapters().get().enable(true);
  }

  @Override
  default void disableAdapters() {
    adapters().get().enable(false);
  }

  @Override
  default List<String> activeAdapters() {
    return adapters().get().active();
  }

  @Override
  default Map<String, Tensor> getAdapterStateDict(String adapterName) {
    return adapters().get().stateDict(adapterName);
  }

  @Override
  default void deleteAdapter(String... adapterNames) {
    adapters().delete(List.of(adapterNames));
  }

  /** Replaces all settings of {@code config.json}. */
  void configure(ConfigJson json);

  /**
   * Uses layers more than once, with the same weights; PEFT's {@code layer_replication}.
   *
   * @param ranges of layers, first and the one after the last, which make the new stack
   * @return puts the layers back as they were
   */
  default Runnable replicateLayers(List<List<Integer>> ranges) {
    ModuleList<?> stack =
        backbone()
            .layerList()
            .orElseThrow(
                () ->
                    new UnsupportedOperationException(
                        "The layers of "
                            + architecture().className(task())
                            + " cannot be used more than once (layerReplication)."));
    ConfigJson before = config().json();
    LayerReplication replication = LayerReplication.of(ranges, stack.list().size());
    PretrainedConfig changed = architecture().config(replication.changed(before));
    Backbone fresh = architecture().backbone(changed, task(), dtype());
    Runnable undo =
        replication.apply(stack, List.copyOf(fresh.layerList().orElseThrow().children().values()));
    configure(changed.json());
    return () -> {
      undo.run();
      configure(before);
    };
  }

  @Override
  default EmbeddingLayer resizeTokenEmbeddings(
      int newNumTokens, Consumer<ResizeOptions.Builder> options) {
    if (new TokenRows(this).resize(newNumTokens, ResizeOptions.of(options))) {
      adapters().embeddingsResized();
    }
    return backbone().inputEmbeddings();
  }

  @Override
  default EmbeddingLayer getInputEmbeddings() {
    return backbone().inputEmbeddings();
  }

  @Override
  default boolean hasResizedEmbeddings() {
    return adapters().haveResizedEmbeddings();
  }

  /** Whether a checkpoint may lack the weight of this name, which then gets fresh values. */
  default boolean mayBeNew(String name) {
    String prefix = backboneName().isEmpty() ? "" : backboneName() + ".";
    String first = name.substring(0, Math.max(0, name.indexOf('.')));
    boolean beside =
        prefix.isEmpty()
            ? module() != backbone() && !backbone().children().containsKey(first)
            : !name.startsWith(prefix);
    return beside
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

  /**
   * The same with options, such as {@code maxShardSize("5GB")}. Of a model with adapters, only the
   * adapter that acts is written.
   */
  default void savePretrained(Path folder, Consumer<SaveOptions.Builder> options) {
    if (adapters().isFilled()) {
      PretrainedFiles.saveAdapter(this, folder);
    } else {
      PretrainedFiles.save(this, folder, SaveOptions.of(options));
    }
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
    if (adapters().isFilled()) {
      adapters().get().loadWeights(adapters().saved(), folder);
    } else {
      PretrainedWeights.copyInto(this, folder);
    }
  }
}
