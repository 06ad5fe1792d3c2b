package org.peftjava.peft;

import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.peftjava.torch.nn.StateDict.LoadReport;

/** Adapters of a model from and to files. */
interface AdapterFiles {
  /** The model that has these verbs. */
  private PeftModel self() {
    return (PeftModel) this;
  }

  /**
   * Adds a saved adapter, from a folder or the hub; it does not act before {@code setAdapter}. If
   * there already is an adapter of this name and config, its values are read again.
   */
  default LoadReport loadAdapter(String nameOrPath, String adapterName) {
    return loadAdapter(nameOrPath, options -> options.adapterName(adapterName));
  }

  /** The same with options besides. */
  default LoadReport loadAdapter(
      String nameOrPath, String adapterName, Consumer<LoadAdapterOptions.Builder> options) {
    return loadAdapter(nameOrPath, options.andThen(o -> o.adapterName(adapterName)));
  }

  /** The same with options. Nothing changes if it throws. */
  default LoadReport loadAdapter(String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    LoadAdapterOptions load = LoadAdapterOptions.of(options);
    return AdapterFolders.loadInto(self(), load.folder(nameOrPath), load);
  }

  /** The same for a folder. */
  default LoadReport loadAdapter(Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    LoadAdapterOptions load = LoadAdapterOptions.of(options);
    return AdapterFolders.loadInto(self(), load.folder(folder), load);
  }

  /** Writes all adapters: "default" into the folder, others into folders of their names below. */
  default void savePretrained(String folder) {
    savePretrained(folder, options -> {});
  }

  /** The same with options, such as {@code selectedAdapters}. */
  default void savePretrained(String folder, Consumer<SaveAdapterOptions.Builder> options) {
    savePretrained(Path.of(folder), options);
  }

  /** Writes adapters, and a README.md for the hub. */
  default void savePretrained(Path folder, Consumer<SaveAdapterOptions.Builder> options) {
    SaveAdapterOptions.Builder builder = SaveAdapterOptions.builder();
    options.accept(builder);
    AdapterFolders.save(self(), folder, builder.build(), List.of());
  }
}
