package org.peftjava.transformers.checkpoint;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.peftjava.transformers.hub.HubClient;
import org.peftjava.transformers.hub.HubException;
import org.peftjava.transformers.hub.HubException.Reason;
import org.peftjava.transformers.hub.HubOptions;
import org.peftjava.transformers.hub.RepoFiles;
import org.peftjava.transformers.hub.RepoId;

/**
 * The local folder that a {@code fromPretrained} argument names: the folder itself, else the
 * repository of the Hugging Face hub, whose needed files are downloaded into the cache.
 */
public final class PretrainedFolder {
  /** The config of a model. */
  public static final RepoFiles CONFIG = new RepoFiles(List.of("config.json"), List.of());

  /** The config of an adapter. */
  public static final RepoFiles ADAPTER_CONFIG =
      new RepoFiles(List.of("adapter_config.json"), List.of());

  /** An adapter: config and weights. */
  public static final RepoFiles ADAPTER =
      new RepoFiles(
          List.of("adapter_config.json"),
          List.of(List.of("adapter_model.safetensors", "adapter_model.bin")));

  /** A model: configs, the weights in the order in which they are looked for, an adapter. */
  public static final RepoFiles MODEL =
      new RepoFiles(
          List.of("generation_config.json", "config.json", "adapter_config.json"),
          List.of(Checkpoints.FILES, ADAPTER.alternatives().get(0)));

  /** Everything that a tokenizer may be made of. */
  public static final RepoFiles TOKENIZER =
      new RepoFiles(
          List.of(
              "tokenizer.json",
              "vocab.json",
              "merges.txt",
              "vocab.txt",
              "spiece.model",
              "tokenizer.model",
              "sentencepiece.bpe.model",
              "tiktoken.model",
              "added_tokens.json",
              "special_tokens_map.json",
              "chat_template.jinja",
              "chat_template.json",
              "config.json",
              "tokenizer_config.json"),
          List.of());

  private PretrainedFolder() {}

  /**
   * Returns the folder, if there is one, else the repository's snapshot in the cache.
   *
   * @param nameOrPath a path, or the id of a repository on the hub, such as {@code
   *     facebook/opt-350m} or {@code facebook/opt-350m@main}
   * @param files what is needed of a repository
   * @throws HubException if there is no such folder and the repository cannot be had
   * @throws IllegalArgumentException if the name can be neither
   */
  public static Path resolve(String nameOrPath, RepoFiles files) {
    return resolve(nameOrPath, files, options -> {});
  }

  /** The same with options for the hub. */
  public static Path resolve(
      String nameOrPath, RepoFiles files, Consumer<HubOptions.Builder> options) {
    return resolve(nameOrPath, Optional.empty(), files, options);
  }

  /**
   * The same for files that are not in the folder or repository itself.
   *
   * @param subfolder where they are below it, such as {@code step-100}
   */
  public static Path resolve(
      String nameOrPath,
      Optional<String> subfolder,
      RepoFiles files,
      Consumer<HubOptions.Builder> options) {
    subfolder.ifPresent(PretrainedFolder::checkSubfolder);
    RepoFiles needed = subfolder.map(files::below).orElse(files);
    return below(repository(nameOrPath, needed, options), subfolder);
  }

  /** A folder below another one, if one is named. */
  public static Path below(Path folder, Optional<String> subfolder) {
    if (subfolder.isEmpty()) {
      return folder;
    }
    checkSubfolder(subfolder.get());
    Path result = folder.resolve(subfolder.get());
    if (!Files.isDirectory(result)) {
      throw new IllegalArgumentException(
          "There is no folder \"" + subfolder.get() + "\" in " + folder.toAbsolutePath() + ".");
    }
    return result;
  }

  private static void checkSubfolder(String subfolder) {
    for (String part : subfolder.split("/", -1)) {
      if (part.isBlank() || part.equals(".") || part.equals("..") || part.contains("\\")) {
        throw new IllegalArgumentException(
            "subfolder is \""
                + subfolder
                + "\". Expected names with \"/\" between them, such as \"adapters/first\".");
      }
    }
  }

  private static Path repository(
      String nameOrPath, RepoFiles files, Consumer<HubOptions.Builder> options) {
    try {
      Path folder = Path.of(nameOrPath);
      if (!nameOrPath.isBlank() && Files.isDirectory(folder)) {
        return folder;
      }
      if (Files.exists(folder) && !nameOrPath.isBlank()) {
        throw new IllegalArgumentException(
            nameOrPath + " is a file. Give the folder that holds the model's files.");
      }
    } catch (InvalidPathException e) {
      throw new IllegalArgumentException(
          "\"" + nameOrPath + "\" is not a path: " + e.getReason() + ". Give a local folder.", e);
    }
    if (!RepoId.isRepoId(nameOrPath)) {
      throw new IllegalArgumentException(
          noFolder(nameOrPath)
              + ", and it is no id on the Hugging Face hub (org/name or org/name@revision). Check"
              + " the path.");
    }
    HubOptions.Builder builder = HubOptions.builder();
    options.accept(builder);
    try {
      return new HubClient(builder.build()).snapshotDownload(RepoId.parse(nameOrPath), files);
    } catch (HubException e) {
      if (e.reason() != Reason.REPOSITORY_NOT_FOUND && e.reason() != Reason.LOCAL_ENTRY_NOT_FOUND) {
        throw e;
      }
      String message = noFolder(nameOrPath) + ". " + e.getMessage();
      throw new HubException(e.reason(), message, e);
    }
  }

  private static String noFolder(String nameOrPath) {
    return "There is no folder \"" + nameOrPath + "\" here (" + Path.of("").toAbsolutePath() + ")";
  }
}
