package org.peftjava.peft;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.peftjava.peft.io.AdapterCheckpoint;
import org.peftjava.peft.io.AdapterConfigJson;
import org.peftjava.peft.tuner.AdaptedLayer;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.xlora.MixedExperts;
import org.peftjava.peft.tuner.xlora.XLoraConfig;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.checkpoint.PretrainedFolder;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.InvalidFileException;

/**
 * The LoRA adapters that X-LoRA mixes: read from where its config says, or from the folders "0",
 * "1" and so on below a saved X-LoRA adapter.
 */
final class XLoraFiles {
  private static final String ADAPTERS = "adapters";

  private XLoraFiles() {}

  /** The config with those of its adapters, if it is X-LoRA's. */
  static TunerConfig resolved(TunerConfig config) {
    if (!(config instanceof XLoraConfig xlora)) {
      return config;
    }
    List<TunerConfig> experts = new ArrayList<>();
    for (Map.Entry<String, String> entry : xlora.adapters().entrySet()) {
      Path folder = folder(entry.getValue());
      TunerConfig expert = AdapterConfigJson.read(folder);
      if (!expert.peftType().equals("LORA")) {
        throw new IllegalArgumentException(
            "X-LoRA mixes LoRA adapters, but \""
                + entry.getKey()
                + "\" in "
                + entry.getValue()
                + " is "
                + expert.peftType()
                + ".");
      }
      if (!expert.modulesToSave().isEmpty()) {
        throw new IllegalArgumentException(
            "Adapter \""
                + entry.getKey()
                + "\" of X-LoRA has full copies of "
                + expert.modulesToSave()
                + " (modulesToSave), which cannot be mixed.");
      }
      AdapterCheckpoint.checkFolder(folder, expert);
      experts.add(expert);
    }
    return xlora.withExperts(experts);
  }

  private static Path folder(String nameOrPath) {
    return PretrainedFolder.resolve(nameOrPath, PretrainedFolder.ADAPTER);
  }

  /** The config that finds the adapters that were saved with it, if they were. */
  static TunerConfig savedIn(Path folder, TunerConfig config) {
    if (!(config instanceof XLoraConfig xlora)) {
      return config;
    }
    Map<String, String> found = new LinkedHashMap<>();
    int number = 0;
    for (Map.Entry<String, String> entry : xlora.adapters().entrySet()) {
      Path saved = folder.resolve(String.valueOf(number++));
      found.put(entry.getKey(), Files.isDirectory(saved) ? saved.toString() : entry.getValue());
    }
    return config.with(ADAPTERS, found);
  }

  /** Gives the adapters of an X-LoRA adapter their values; does nothing for others. */
  static void load(TunedModel model, String name, TunerConfig config) {
    if (config instanceof XLoraConfig xlora) {
      int number = 0;
      for (String path : xlora.adapters().values()) {
        load(folder(path), entries(model, name, number++));
      }
    }
  }

  private static void load(Path folder, Map<String, AdapterTensor> entries) {
    try (TensorScope scope = TensorScope.open("adapter of x-lora");
        WeightSource source = AdapterCheckpoint.open(folder)) {
      Set<String> missing = new HashSet<>(entries.keySet());
      missing.removeAll(source.names());
      Set<String> unexpected = new HashSet<>(source.names());
      unexpected.removeAll(entries.keySet());
      unexpected.removeIf(key -> key.contains(".base_layer.")); // a frozen table beside its adapter
      if (!missing.isEmpty() || !unexpected.isEmpty()) {
        throw new InvalidFileException(
            folder, "the adapter lacks " + missing + " and has unexpected " + unexpected);
      }
      entries.forEach((key, entry) -> entry.write().accept(fitting(folder, key, source, entry)));
    }
  }

  private static Tensor fitting(Path folder, String key, WeightSource source, AdapterTensor entry) {
    Tensor values = source.tensor(key);
    if (!values.shape().equals(entry.shape())) {
      throw new InvalidFileException(
          folder, key + " has shape " + values.shape() + ", expected " + entry.shape());
    }
    return values;
  }

  /** What the file of one of the adapters holds. */
  private static Map<String, AdapterTensor> entries(TunedModel model, String name, int number) {
    Map<String, AdapterTensor> result = new LinkedHashMap<>();
    for (Map.Entry<String, AdaptedLayer> layer : model.layers().entrySet()) {
      LayerAdapter own = layer.getValue().adapters().get(name);
      LayerAdapter expert = own instanceof MixedExperts mixed ? mixed.experts().get(number) : null;
      if (expert != null) {
        String prefix = AdapterCheckpoint.PREFIX + layer.getKey() + ".";
        expert.saved().forEach((key, entry) -> result.put(prefix + key, entry));
      }
    }
    return result;
  }

  /** Reads the adapters again that were saved below a folder. */
  static void loadSaved(TunedModel model, String name, Path folder) {
    TunerConfig config = model.configs().get(name);
    if (config != null) {
      load(model, name, savedIn(folder, config));
    }
  }

  /** Writes the adapters below the folder of an X-LoRA adapter; does nothing for others. */
  static void save(TunedModel model, String name, Path folder) {
    if (model.configs().get(name) instanceof XLoraConfig xlora) {
      List<TunerConfig> experts = xlora.experts();
      for (int number = 0; number < experts.size(); number++) {
        try (TensorScope scope = TensorScope.open("save adapter of x-lora")) {
          Map<String, Tensor> tensors = new LinkedHashMap<>();
          entries(model, name, number)
              .forEach((key, entry) -> tensors.put(key, entry.read().get()));
          AdapterCheckpoint.save(
              folder.resolve(String.valueOf(number)),
              experts.get(number).with("inference_mode", true),
              tensors);
        }
      }
    }
  }
}
