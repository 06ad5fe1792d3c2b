package org.peftjava.peft;

import java.nio.file.Path;
import org.peftjava.peft.io.AdapterConfigJson;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.transformers.checkpoint.PretrainedFolder;

/** Reads the configuration of a saved adapter, whatever its type. */
public final class PeftConfig {
  private PeftConfig() {}

  /** The configuration in an adapter folder; a {@code LoraConfig} for a LoRA adapter. */
  public static TunerConfig fromPretrained(String nameOrPath) {
    return fromPretrained(PretrainedFolder.resolve(nameOrPath, PretrainedFolder.ADAPTER_CONFIG));
  }

  /** The configuration in an adapter folder. */
  public static TunerConfig fromPretrained(Path folder) {
    return AdapterConfigJson.read(folder);
  }
}
