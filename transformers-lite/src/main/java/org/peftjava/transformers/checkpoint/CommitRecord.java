package org.peftjava.transformers.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.regex.Pattern;
import org.peftjava.transformers.config.InvalidFileException;

/**
 * What a {@link FileBatch} is about to rename and remove, written down before the first rename: a
 * process that dies between two renames leaves the record, and whoever opens the folder next does
 * the rest. So files that change together are seen together, by readers of this library.
 *
 * <p>The record is a text file: the batch's id, then a line for each file, {@code +} and a name
 * that is to be moved into place or {@code -} and one that is to be removed. Whoever works from it
 * holds a lock on it; others wait.
 */
final class CommitRecord {
  /** The record's name in the folder; it is there for the microseconds of a commit. */
  static final String FILE_NAME = ".peft-java.commit";

  private static final long MAX_BYTES = 16 << 20;
  private static final Pattern ID = Pattern.compile("[0-9a-f-]{36}");
  private static final Object IN_PROCESS = new Object(); // file locks exclude other processes only

  private final Path folder;
  private final String id;
  private final List<String> lines;

  private CommitRecord(Path folder, String id, List<String> lines) {
    this.folder = folder;
    this.id = id;
    this.lines = lines;
  }

  static CommitRecord of(
      Path folder, String id, Collection<String> moved, Collection<String> removed) {
    List<String> lines = new ArrayList<>();
    moved.forEach(name -> lines.add("+" + name));
    removed.forEach(name -> lines.add("-" + name));
    return new CommitRecord(folder, id, lines);
  }

  /** The temporary name of a file of the batch with this id. */
  static Path staged(Path folder, String name, String id) {
    return folder.resolve("." + name + "." + id + ".tmp");
  }

  /**
   * Writes the record down, in place of any other, and does what it says.
   *
   * @param written runs when the record is in place: from then on the batch will be completed
   */
  void commit(Runnable written) throws IOException {
    Path temporary = staged(folder, FILE_NAME, id);
    synchronized (IN_PROCESS) {
      try (FileChannel channel =
          FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
        AtomicFiles.writeFully(channel, ByteBuffer.wrap(text().getBytes(StandardCharsets.UTF_8)));
        channel.force(true);
        FileLock lock = lock(channel); // goes with the file when that is renamed, ends with it
        Files.move(temporary, folder.resolve(FILE_NAME), StandardCopyOption.ATOMIC_MOVE);
        written.run();
        complete();
        lock.release();
      } finally {
        Files.deleteIfExists(temporary);
      }
    }
  }

  /** Completes the commit that a process left behind in this folder, if one did. */
  static void finish(Path folder) {
    Path file = folder.resolve(FILE_NAME);
    if (!Files.isRegularFile(file)) {
      return;
    }
    synchronized (IN_PROCESS) {
      try (FileChannel channel =
          FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
        FileLock lock = lock(channel);
        if (Files.exists(file)) { // else it was completed while we waited
          read(folder, file).complete();
        }
        lock.release();
      } catch (IOException e) {
        if (Files.exists(file)) {
          throw FileBatch.failure(
              "A save into " + folder + " was interrupted in its last step; cannot complete it", e);
        }
      }
    }
  }

  /** The region lies beyond the contents: on Windows nobody else could read them. */
  private static FileLock lock(FileChannel channel) throws IOException {
    return channel.lock(Long.MAX_VALUE - 1, 1, false);
  }

  private static CommitRecord read(Path folder, Path file) throws IOException {
    if (Files.size(file) > MAX_BYTES) {
      throw invalid(file);
    }
    List<String> all = Files.readAllLines(file, StandardCharsets.UTF_8);
    if (all.isEmpty() || !ID.matcher(all.get(0)).matches()) {
      throw invalid(file);
    }
    List<String> lines = all.subList(1, all.size());
    for (String line : lines) {
      boolean known = line.startsWith("+") || line.startsWith("-");
      if (!known || !isName(folder, line.substring(1))) {
        throw invalid(file);
      }
    }
    return new CommitRecord(folder, all.get(0), lines);
  }

  /** Whether this names a file in the folder itself. */
  static boolean isName(Path folder, String name) {
    return !name.isEmpty()
        && name.chars().noneMatch(c -> c < ' ')
        && !name.equals("..")
        && folder.equals(folder.resolve(name).getParent());
  }

  private static InvalidFileException invalid(Path file) {
    return new InvalidFileException(
        file,
        "is not the record of an interrupted save that this library wrote. Remove it, and check"
            + " that the folder's files belong together.");
  }

  private String text() {
    return id + "\n" + String.join("\n", lines) + "\n";
  }

  private void complete() throws IOException {
    for (String line : lines) {
      String name = line.substring(1);
      if (line.startsWith("-")) {
        Files.deleteIfExists(folder.resolve(name));
      } else {
        move(staged(folder, name, id), folder.resolve(name));
      }
    }
    Files.deleteIfExists(folder.resolve(FILE_NAME));
  }

  private static void move(Path source, Path target) throws IOException {
    try {
      Files.move(source, target, StandardCopyOption.ATOMIC_MOVE);
    } catch (NoSuchFileException e) {
      if (!Files.exists(target)) { // else it was moved before the interruption
        throw new IOException(
            target.getFileName() + " and its new version are both missing; save again elsewhere",
            e);
      }
    }
  }
}
