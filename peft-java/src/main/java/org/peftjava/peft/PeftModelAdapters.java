package org.peftjava.peft;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.peftjava.peft.io.AdapterCheckpoint;
import org.peftjava.peft.io.AdapterConfigJson;
import org.peftjava.peft.io.AdapterStateDict;
import org.peftjava.peft.io.SaveEmbeddings;
import org.peftjava.peft.tuner.AddOptions;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraHotswap;
import org.peftjava.peft.tuner.shadow.ShadowConfig;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.AdapterConfig;
import org.peftjava.transformers.ModelAdapters;
import org.peftjava.transformers.PretrainedModel;

/**
 * Adapters in the layers of a plain model.
 *
 * <p>Unlike a {@code PeftModel}, the task of a config adds no layers that are trained in full.
 */
final class PeftModelAdapters implements ModelAdapters {
  private final PretrainedModel model;
  private final TunedModel tuned;

  PeftModelAdapters(PretrainedModel model) {
    this.model = model;
    tuned = PeftConstruction.tune(BaseModels.of(model));
  }

  @Override
  public List<String> names() {
    return tuned.adapters().names();
  }

  @Override
  public List<String> active() {
    return tuned.adapters().active();
  }

  @Override
  public void add(AdapterConfig config, String name) {
    if (!(config instanceof TunerConfig known)) {
      throw new IllegalArgumentException(
          "The adapter's config is a "
              + config.getClass().getName()
              + "; expected one of this library, such as a LoraConfig.");
    }
    checkPlain(known);
    String base = model.config().nameOrPath().orElse("");
    tuned.add(name, known.with("base_model_name_or_path", base), AddOptions.DEFAULT);
  }

  /** Throws for methods whose passes begin in a PeftModel. */
  private static void checkPlain(TunerConfig config) {
    if (config instanceof ShadowConfig) {
      throw new IllegalArgumentException(
          "A SHADOW adapter acts in passes of its PeftModel only. Use Peft.getPeftModel or"
              + " PeftModel.fromPretrained.");
    }
  }

  @Override
  public void load(Path folder, String name, boolean isTrainable) {
    TunerConfig config = AdapterConfigJson.read(folder);
    checkPlain(config);
    LoadAdapterOptions options =
        LoadAdapterOptions.builder().adapterName(name).isTrainable(isTrainable).build();
    AdapterFolders.loadInto(tuned, folder, config, options, new BackboneKeys(model)::own);
    if (!isTrainable) {
      model.module().eval();
    }
  }

  @Override
  public void hotswap(Path folder, String name, boolean isTrainable) {
    Hotswap.swap(tuned, folder, name, new BackboneKeys(model)::own);
    tuned.trainable(name, isTrainable);
    if (!isTrainable) {
      model.module().eval();
    }
  }

  @Override
  public void pad(String name, int rank) {
    if (tuned.configs().get(name) instanceof LoraConfig) {
      new LoraHotswap(tuned, name).pad(rank);
    }
  }

  @Override
  public void activate(List<String> names) {
    tuned.activate(names);
  }

  @Override
  public void trainable(String name, boolean on) {
    tuned.trainable(name, on);
  }

  @Override
  public void enable(boolean on) {
    tuned.adapters().enable(on);
    if (!on) {
      PeftConstruction.warnAboutBiases(tuned.configs());
    }
  }

  @Override
  public void delete(String name) {
    tuned.delete(name);
  }

  @Override
  public void detach() {
    tuned.unload();
    tuned.restoreBaseTrainability();
  }

  @Override
  public void close() {
    tuned.close();
  }

  @Override
  public Map<String, Tensor> stateDict(String name) {
    return AdapterStateDict.get(tuned, name, SaveEmbeddings.AUTO, false);
  }

  @Override
  public void save(String name, Path folder) {
    TunerConfig config = Objects.requireNonNull(tuned.configs().get(name));
    AdapterCheckpoint.save(tuned, name, folder, config, SaveEmbeddings.AUTO, Optional.empty());
  }

  @Override
  public void loadWeights(String name, Path folder) {
    AdapterFolders.loadWeights(tuned, name, folder);
  }

  @Override
  public long changes() {
    return tuned.adapters().changes();
  }

  @Override
  public Pass run() {
    return tuned.adapters().run()::close;
  }

  @Override
  public Pass generation() {
    return tuned.adapters().generation()::close;
  }

  /**
   * Keys of adapters that were made for the same layers in a model with another head, where the
   * backbone has another name or none: {@code base_model.model.model.decoder...} of a language
   * model is {@code base_model.model.decoder...} of the model without head.
   */
  private record BackboneKeys(Set<String> modules, Set<String> backbones) {
    private static final String PREFIX = "base_model.model.";

    BackboneKeys(PretrainedModel model) {
      this(
          model.module().namedModules().keySet().stream()
              .filter(name -> !name.isEmpty())
              .collect(Collectors.toSet()),
          Set.copyOf(
              model.architecture().tasks().stream()
                  .map(task -> model.architecture().backboneName(task))
                  .filter(name -> !name.isEmpty())
                  .toList()));
    }

    String own(String key) {
      if (!key.startsWith(PREFIX)) {
        return key;
      }
      String path = key.substring(PREFIX.length());
      if (isHere(path)) {
        return key;
      }
      for (String backbone : backbones) {
        String inner = path.substring(Math.min(path.length(), backbone.length() + 1));
        if (path.startsWith(backbone + ".") && isHere(inner)) {
          return PREFIX + inner;
        }
        if (isHere(backbone + "." + path)) {
          return PREFIX + backbone + "." + path;
        }
      }
      return key;
    }

    /** Whether this model has the module whose adapter or weight a key names. */
    private boolean isHere(String path) {
      String parent = path.substring(0, Math.max(0, path.lastIndexOf('.')));
      return modules.contains(parent)
          || modules.contains(parent.substring(0, Math.max(0, parent.lastIndexOf('.'))));
    }
  }
}
