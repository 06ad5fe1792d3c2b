package org.peftjava.transformers.hub;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * What a push would upload.
 *
 * @param repo the repository
 * @param files in the order of their names
 */
public record UploadPlan(RepoId repo, List<PlannedFile> files) {
  /** Copies the list. */
  public UploadPlan {
    files = List.copyOf(files);
  }

  /**
   * One file of a plan.
   *
   * @param pathInRepo its name in the repository
   * @param size its bytes
   * @param sha256 the SHA-256 of its contents, 64 hexadecimal digits
   */
  public record PlannedFile(String pathInRepo, long size, String sha256) {}

  /** The bytes of all files. */
  public long size() {
    return files.stream().mapToLong(PlannedFile::size).sum();
  }

  static UploadPlan of(RepoId repo, List<CommitOperation.Add> additions) {
    List<PlannedFile> files = new ArrayList<>();
    for (CommitOperation.Add addition : additions) {
      files.add(
          new PlannedFile(
              addition.pathInRepo(), size(addition.file()), BlobHash.sha256(addition.file())));
    }
    return new UploadPlan(repo, files);
  }

  /** The files of a folder that the options select, by name. */
  static List<CommitOperation.Add> additions(Path folder, PushOptions options) {
    List<Path> paths;
    try (Stream<Path> walk = Files.walk(folder)) {
      paths = walk.filter(Files::isRegularFile).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read the folder " + folder + ".", e);
    }
    List<CommitOperation.Add> additions = new ArrayList<>();
    for (Path path : paths) {
      String name = folder.relativize(path).toString().replace('\\', '/');
      if (isSelected(name, options)) {
        additions.add(new CommitOperation.Add(name, path));
      }
    }
    if (additions.isEmpty()) {
      throw new IllegalArgumentException(
          "The folder " + folder + " has no files to upload. Check it, and the patterns.");
    }
    return additions;
  }

  private static boolean isSelected(String name, PushOptions options) {
    return !("/" + name).contains("/.git/")
        && !("/" + name).contains("/.cache/huggingface/")
        && (options.allowPatterns().isEmpty()
            || FilePatterns.anyMatches(options.allowPatterns(), name))
        && !FilePatterns.anyMatches(options.ignorePatterns(), name);
  }

  static long size(Path file) {
    try {
      return Files.size(file);
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read " + file + ".", e);
    }
  }
}
