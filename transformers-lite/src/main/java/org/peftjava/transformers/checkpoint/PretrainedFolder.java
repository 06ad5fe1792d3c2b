package org.peftjava.transformers.checkpoint;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/** The local folder that a {@code fromPretrained} argument names. */
public final class PretrainedFolder {
  private PretrainedFolder() {}

  /**
   * Returns the folder, if there is one.
   *
   * @param nameOrPath a path, or the id of a model on the Hugging Face hub, which must have been
   *     downloaded
   * @throws IllegalArgumentException if there is no such folder
   */
  public static Path resolve(String nameOrPath) {
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
    throw new IllegalArgumentException(
        "There is no folder \""
            + nameOrPath
            + "\" here ("
            + Path.of("").toAbsolutePath()
            + "). This release reads local folders only; a client for the Hugging Face hub comes"
            + " later. If this is a hub id, download it first (hf download "
            + nameOrPath
            + " --local-dir <folder>) and give that folder.");
  }
}
