package org.peftjava.transformers.training;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The folders {@code checkpoint-<step>} in an output folder. A checkpoint is written beside its
 * place and renamed when it is complete, so that a killed run leaves whole checkpoints only.
 * Folders without this library's mark are never replaced or deleted.
 */
final class TrainingCheckpoints {
  private static final Pattern NAME = Pattern.compile("checkpoint-(\\d{1,9})");
  private static final String UNFINISHED = ".unfinished-checkpoint";
  private static final String REPLACED = ".replaced-checkpoint";

  private final Path outputDir;

  TrainingCheckpoints(Path outputDir) {
    this.outputDir = outputDir.toAbsolutePath().normalize();
  }

  /** Fails with a clear sentence unless checkpoints of these steps can be written. */
  void prepare(int maxSteps) {
    try {
      Files.createDirectories(outputDir);
      Files.delete(Files.createTempFile(outputDir, ".write-test", null));
    } catch (FileAlreadyExistsException e) {
      throw new UncheckedIOException(
          "outputDir "
              + outputDir
              + " cannot be written: a file is in its place. Choose another folder, move the file,"
              + " or set saveStrategy(NO).",
          e);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "outputDir "
              + outputDir
              + " cannot be written: "
              + e
              + ". Choose another folder, free it, or set saveStrategy(NO).",
          e);
    }
    for (Path entry : entries()) {
      if (step(entry) <= maxSteps) {
        checkOwn(entry);
      }
    }
  }

  private static void checkOwn(Path entry) {
    if (Files.isSymbolicLink(entry) || !TrainingSnapshot.isIn(entry)) {
      throw new IllegalArgumentException(
          entry
              + " was not written by this trainer and is in the way of a checkpoint. Choose another"
              + " outputDir.");
    }
  }

  Path folder(int step) {
    return outputDir.resolve("checkpoint-" + step);
  }

  /** Writes a checkpoint: {@code writer} fills a folder that then takes its place. */
  Path write(int step, Consumer<Path> writer) {
    Path target = folder(step);
    Path unfinished = outputDir.resolve(UNFINISHED);
    Path replaced = outputDir.resolve(REPLACED);
    try {
      delete(unfinished);
      delete(replaced);
      Files.createDirectories(unfinished);
      writer.accept(unfinished);
      if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
        checkOwn(target);
        Files.move(target, replaced, StandardCopyOption.ATOMIC_MOVE);
      }
      Files.move(unfinished, target, StandardCopyOption.ATOMIC_MOVE);
      delete(replaced);
      return target;
    } catch (IOException e) {
      throw new UncheckedIOException(
          "The checkpoint "
              + target
              + " could not be written: "
              + e
              + ". Earlier checkpoints are untouched. Free space or change outputDir, and resume.",
          e);
    }
  }

  /**
   * Deletes the oldest checkpoints of a run until {@code limit} are left; the newest one and {@code
   * best} always stay.
   */
  void rotate(int limit, String runId, Optional<Path> best) {
    List<Path> own = new ArrayList<>();
    for (Path folder : folders()) {
      if (TrainingSnapshot.isOfRun(folder, runId)) {
        own.add(folder);
      }
    }
    int surplus = own.size() - limit;
    for (int i = 0; i < own.size() - 1 && surplus > 0; i++) {
      if (best.filter(own.get(i)::equals).isEmpty()) {
        try {
          delete(own.get(i));
        } catch (IOException e) {
          throw new UncheckedIOException(
              "The old checkpoint " + own.get(i) + " could not be deleted: " + e + ".", e);
        }
        surplus--;
      }
    }
  }

  /** The checkpoint itself, or the newest one in an output folder. */
  static Path resolve(Path given) {
    if (TrainingSnapshot.isIn(given)) {
      return given.toAbsolutePath().normalize();
    }
    List<Path> found =
        new TrainingCheckpoints(given).folders().stream().filter(TrainingSnapshot::isIn).toList();
    if (found.isEmpty()) {
      throw new IllegalArgumentException(
          "There is no checkpoint to resume from in "
              + given
              + ": expected a folder with "
              + TrainingSnapshot.FILE
              + ", as this trainer writes it, or a folder with checkpoint-<step> folders.");
    }
    return found.get(found.size() - 1);
  }

  /** The checkpoints that this trainer or another wrote, oldest step first. */
  private List<Path> folders() {
    return entries().stream()
        .filter(path -> Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS))
        .toList();
  }

  /** Everything of a checkpoint's name, lowest step first. */
  private List<Path> entries() {
    if (!Files.isDirectory(outputDir)) {
      return List.of();
    }
    try (Stream<Path> entries = Files.list(outputDir)) {
      return entries
          .filter(path -> NAME.matcher(path.getFileName().toString()).matches())
          .sorted(Comparator.comparingInt(TrainingCheckpoints::step))
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException("The folder " + outputDir + " cannot be listed.", e);
    }
  }

  private static int step(Path folder) {
    Matcher matcher = NAME.matcher(folder.getFileName().toString());
    return matcher.matches() ? Integer.parseInt(matcher.group(1)) : -1;
  }

  /** Deletes a folder and what is in it; what links point at stays. */
  private static void delete(Path folder) throws IOException {
    if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    try (Stream<Path> tree = Files.walk(folder)) {
      for (Path path : tree.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    }
  }
}
