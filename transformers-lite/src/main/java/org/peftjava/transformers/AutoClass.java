package org.peftjava.transformers;

import java.nio.file.Path;
import java.util.function.Consumer;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.checkpoint.PretrainedFolder;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.generation.GenerationConfig;

/** What all {@code AutoModel} classes do: build a model for one task, and fill it. */
final class AutoClass<M extends CheckpointModel> {
  private final Factory<M> factory;

  AutoClass(Factory<M> factory) {
    this.factory = factory;
  }

  /** Builds a model without memory for its weights. */
  interface Factory<M> {
    /** Builds the model; only models that generate look at the generation settings. */
    M create(PretrainedConfig config, GenerationConfig generation, DType dtype);
  }

  M fromPretrained(String nameOrPath, Consumer<LoadOptions.Builder> options) {
    LoadOptions load = LoadOptions.of(options);
    return adaptedOrPlain(
        PretrainedFolder.resolve(nameOrPath, load.subfolder(), PretrainedFolder.MODEL, load.hub()),
        nameOrPath,
        load);
  }

  M fromPretrained(Path folder, Consumer<LoadOptions.Builder> options) {
    LoadOptions load = LoadOptions.of(options);
    Path below = PretrainedFolder.below(folder, load.subfolder());
    return adaptedOrPlain(below, below.toString(), load);
  }

  /** Values are drawn on the default device. */
  M fromConfig(PretrainedConfig config, DType dtype) {
    Device device = Device.defaultDevice();
    M model = withoutWeights(config, dtype);
    try {
      for (Parameter parameter : model.module().namedState().values()) {
        parameter.initialize(device);
      }
      return model;
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  M withoutWeights(PretrainedConfig config, DType dtype) {
    return factory.create(config, PretrainedFiles.generationDefaults(config), dtype);
  }

  private M adaptedOrPlain(Path folder, String name, LoadOptions load) {
    return AdapterFolder.isIn(folder)
        ? adapted(AdapterFolder.read(folder, name), load)
        : load(folder, name, load);
  }

  /** The base model of an adapter, with the adapter in its layers. */
  private M adapted(AdapterFolder adapter, LoadOptions load) {
    AdapterLoader.find(adapter.folder() + " holds an adapter");
    Path base =
        PretrainedFolder.resolve(
            adapter.baseModel(), PretrainedFolder.MODEL, adapter.baseHub(load.hub()));
    M model = load(base, adapter.baseModel(), load);
    try {
      model.adapters().load(adapter.folder(), load.adapterName(), false);
      return model;
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  private M load(Path folder, String name, LoadOptions load) {
    PretrainedConfig config = AutoConfig.read(folder, name, load);
    GenerationConfig generation = PretrainedFiles.generationConfig(folder);
    return PretrainedWeights.load(
        folder, config, load, (settings, dtype) -> factory.create(settings, generation, dtype));
  }
}
