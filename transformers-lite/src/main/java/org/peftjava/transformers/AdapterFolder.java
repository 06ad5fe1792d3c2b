package org.peftjava.transformers;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;
import org.peftjava.transformers.checkpoint.FileBatch;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.InvalidFileException;
import org.peftjava.transformers.hub.HubOptions;

/**
 * A folder that holds an adapter in place of a model, or beside one.
 *
 * <p>Reference: transformers {@code integrations/peft.py::maybe_load_adapters}.
 *
 * @param folder where the adapter is
 * @param baseModel folder or hub name of the model that it belongs to: the same folder, if that
 *     holds a model too, else the one that the adapter's config names
 * @param revision the base model's revision on the hub, if the config names one
 */
record AdapterFolder(Path folder, String baseModel, Optional<String> revision) {
  private static final String CONFIG = "adapter_config.json";

  /** Whether a folder holds an adapter. */
  static boolean isIn(Path folder) {
    FileBatch.finishInterrupted(folder);
    return Files.isRegularFile(folder.resolve(CONFIG));
  }

  /**
   * Reads which base model an adapter belongs to.
   *
   * @param name what the folder was called in the call that loads it
   */
  static AdapterFolder read(Path folder, String name) {
    boolean isLocal = Files.isDirectory(Path.of(name));
    if (isLocal && Files.isRegularFile(folder.resolve("config.json"))) {
      return new AdapterFolder(folder, name, Optional.empty());
    }
    Path file = folder.resolve(CONFIG);
    ConfigJson config = ConfigJson.read(file);
    String base =
        config
            .findString("base_model_name_or_path")
            .filter(found -> !found.isBlank())
            .orElseThrow(
                () ->
                    new InvalidFileException(
                        file,
                        "does not name the adapter's base model (base_model_name_or_path). Load the"
                            + " base model and give it the adapter with loadAdapter."));
    return new AdapterFolder(folder, base, config.findString("revision"));
  }

  /** The revision that was asked for is the adapter's; the base model's is in the config. */
  Consumer<HubOptions.Builder> baseHub(Consumer<HubOptions.Builder> asked) {
    return asked.andThen(builder -> builder.revision(revision.orElse("main")));
  }
}
