package org.peftjava.transformers.hub;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;

/** One change of a commit. */
public sealed interface CommitOperation {
  /** The file's, or folder's, name in the repository. */
  String pathInRepo();

  /**
   * Adds a file, or replaces it.
   *
   * @param pathInRepo its name in the repository
   * @param file the file on this machine
   */
  record Add(String pathInRepo, Path file) implements CommitOperation {
    /** Checks that the name is one, and that the file is there. */
    public Add {
      checkPath(pathInRepo);
      if (!Files.isRegularFile(file)) {
        throw new IllegalArgumentException(
            "There is no file " + file + " to upload as " + pathInRepo + ".");
      }
    }
  }

  /**
   * Deletes a file, or with a slash at the end of its name a folder.
   *
   * @param pathInRepo its name in the repository
   */
  record Delete(String pathInRepo) implements CommitOperation {
    /** Checks that the name is one. */
    public Delete {
      checkPath(
          pathInRepo.endsWith("/") ? pathInRepo.substring(0, pathInRepo.length() - 1) : pathInRepo);
    }
  }

  private static void checkPath(String path) {
    if (!FileNames.isSafe(path)
        || Arrays.stream(path.split("/")).anyMatch(Set.of(".git", ".cache")::contains)) {
      throw new IllegalArgumentException(
          "\""
              + FileNames.shown(path)
              + "\" is no name of a file in a repository: expected relative parts without \"..\","
              + " .git and .cache.");
    }
  }
}
