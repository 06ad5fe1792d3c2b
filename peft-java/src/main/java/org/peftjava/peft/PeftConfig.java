package org.peftjava.peft;

import java.nio.file.Path;
import java.util.function.Consumer;
import org.peftjava.peft.io.AdapterConfigJson;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.transformers.checkpoint.FileBatch;
import org.peftjava.transformers.checkpoint.PretrainedFolder;

/** Reads the configuration of a saved adapter, whatever its type. */
public final class PeftConfig {
  private PeftConfig() {}

  /** The configuration in an adapter folder; a {@code LoraConfig} for a LoRA adapter. */
  public static TunerConfig fromPretrained(String nameOrPath) {
    return fromPretrained(PretrainedFolder.resolve(nameOrPath, PretrainedFolder.ADAPTER_CONFIG));
  }

  /** The same with options: where it is and how it is looked up ({@code subfolder}, ...). */
  public static TunerConfig fromPretrained(
      String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    LoadAdapterOptions load = LoadAdapterOptions.of(options);
    return fromPretrained(
        PretrainedFolder.resolve(
            nameOrPath, load.subfolder(), PretrainedFolder.ADAPTER_CONFIG, load.hub()));
  }

  /** The configuration in an adapter folder. */
  public static TunerConfig fromPretrained(Path folder) {
    return AdapterConfigJson.read(folder);
  }

  /** Writes {@code adapter_config.json} alone: Python's {@code config.save_pretrained(folder)}. */
  public static void savePretrained(TunerConfig config, Path folder) {
    try (FileBatch files = FileBatch.open(folder)) {
      files.write(AdapterConfigJson.FILE_NAME, AdapterConfigJson.bytes(config));
      files.commit();
    }
  }
}
