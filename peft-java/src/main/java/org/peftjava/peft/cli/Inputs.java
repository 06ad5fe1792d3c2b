package org.peftjava.peft.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.peftjava.transformers.checkpoint.PretrainedFolder;
import org.peftjava.transformers.hub.HubException;
import org.peftjava.transformers.hub.RepoFiles;
import org.peftjava.transformers.hub.RepoId;

/** Checks of paths that a user gave, before anything expensive happens. */
final class Inputs {
  private Inputs() {}

  /** The folder, or exit code 66. {@code what} says what it is, such as "model". */
  static Path folder(String what, Path path) {
    if (Files.isDirectory(path)) {
      return path;
    }
    String problem = Files.exists(path) ? "is a file" : "does not exist";
    throw new CommandFailure(
        ExitCode.NO_INPUT,
        "The " + what + " folder " + path + " " + problem + ". Give a local folder.");
  }

  /** A model with its tokenizer. */
  static final RepoFiles MODEL = PretrainedFolder.MODEL.and(PretrainedFolder.TOKENIZER);

  /**
   * The folder, or the snapshot of the repository on the hub that the name stands for, or exit code
   * 66.
   */
  static Path pretrained(String what, Path path, RepoFiles files) {
    String name = path.toString().replace('\\', '/');
    if (Files.exists(path) || !RepoId.isRepoId(name)) {
      return folder(what, path);
    }
    try (TransferBar bar = TransferBar.onTerminal()) {
      return PretrainedFolder.resolve(name, files, options -> options.progress(bar));
    } catch (HubException e) {
      throw new CommandFailure(
          ExitCode.NO_INPUT,
          "The " + what + " folder " + path + " does not exist. " + e.getMessage(),
          e);
    }
  }

  /** The readable file, or exit code 66. */
  static Path file(String what, Path path) {
    if (Files.isRegularFile(path) && Files.isReadable(path)) {
      return path;
    }
    String problem = "cannot be read";
    if (Files.isDirectory(path)) {
      problem = "is a folder";
    } else if (!Files.exists(path)) {
      problem = "does not exist";
    }
    throw new CommandFailure(
        ExitCode.NO_INPUT, "The " + what + " " + path + " " + problem + ". Give a file.");
  }

  /** Creates a folder if it is not there, or exit code 73. */
  static Path outputFolder(Path path) {
    try {
      Files.createDirectories(path);
    } catch (IOException e) {
      throw cannotCreate("output folder", path, e);
    }
    if (!Files.isWritable(path)) {
      throw new CommandFailure(
          ExitCode.CANNOT_CREATE,
          "The output folder " + path + " cannot be written. Choose another, or its permissions.");
    }
    return path;
  }

  /** Creates the folder that a file goes into, or exit code 73. */
  static Path outputFile(Path path) {
    if (Files.isDirectory(path)) {
      throw new CommandFailure(
          ExitCode.CANNOT_CREATE, "The output file " + path + " is a folder. Name a file in it.");
    }
    Path folder = path.toAbsolutePath().getParent();
    if (folder != null) {
      outputFolder(folder);
    }
    return path;
  }

  static CommandFailure cannotCreate(String what, Path path, IOException cause) {
    return new CommandFailure(
        ExitCode.CANNOT_CREATE,
        "The "
            + what
            + " "
            + path
            + " cannot be created ("
            + cause.getClass().getSimpleName().replace("Exception", "")
            + "). Choose a folder that may be written.",
        cause);
  }
}
