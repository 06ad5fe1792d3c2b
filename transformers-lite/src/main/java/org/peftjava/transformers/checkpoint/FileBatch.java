package org.peftjava.transformers.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.regex.Pattern;

/**
 * Files of one folder that change together.
 *
 * <p>{@link #write} prepares each file under a temporary name and flushes it to the disk; {@link
 * #commit} then moves them into place in the order in which they were written, a matter of
 * microseconds. Until then the folder holds the old files; an error, or a process that dies, before
 * the commit leaves them untouched. A process that dies within the commit leaves a record, from
 * which {@link #finishInterrupted} completes it; readers of the folder call that first. Write first
 * what is useless without the rest (weights), last what makes the rest valid (their index or
 * config): programs that do not know of the record, Python among them, then find a folder that is
 * incomplete rather than wrong where the files are new.
 *
 * <pre>{@code
 * try (FileBatch files = FileBatch.open(folder)) {
 *   files.write("adapter_model.safetensors", channel -> ...);
 *   files.write("adapter_config.json", config.toBytes());
 *   files.commit();
 * }
 * }</pre>
 */
public final class FileBatch implements AutoCloseable {
  private static final Duration ABANDONED = Duration.ofDays(1);
  private static final Pattern STAGED =
      Pattern.compile("\\..+\\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\.tmp");

  private final Path folder;
  private final String id = UUID.randomUUID().toString();
  private final Map<String, Path> staged = new LinkedHashMap<>();
  private final Set<String> deleted = new LinkedHashSet<>();

  private FileBatch(Path folder) {
    this.folder = folder;
  }

  /** A batch for this folder, which is created if it is missing. */
  public static FileBatch open(Path folder) {
    try {
      Files.createDirectories(folder);
    } catch (FileAlreadyExistsException e) {
      throw failure("Cannot write into " + folder + ": it is a file, not a folder", e);
    } catch (IOException e) {
      throw failure("Cannot create the folder " + folder, e);
    }
    finishInterrupted(folder);
    removeAbandoned(folder);
    return new FileBatch(folder);
  }

  /** Removes what a process prepared and, dead for more than a day, will not put into place. */
  private static void removeAbandoned(Path folder) {
    Instant limit = Instant.now().minus(ABANDONED);
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, ".*.tmp")) {
      for (Path file : files) {
        if (STAGED.matcher(file.getFileName().toString()).matches()
            && Files.getLastModifiedTime(file, LinkOption.NOFOLLOW_LINKS)
                .toInstant()
                .isBefore(limit)) {
          Files.deleteIfExists(file);
        }
      }
    } catch (IOException | DirectoryIteratorException e) {
      return; // somebody else is at work in the folder, or it cannot be read: writing will tell
    }
  }

  /**
   * Completes the commit of a process that died in the middle of it, if there was one. To be called
   * before files of a folder are read that were written together.
   *
   * @throws UncheckedIOException if the folder cannot be written
   */
  public static void finishInterrupted(Path folder) {
    CommitRecord.finish(folder);
  }

  /** The folder that the files will be in. */
  public Path folder() {
    return folder;
  }

  /** Prepares a file with these bytes. */
  public void write(String name, byte[] bytes) {
    write(name, channel -> AtomicFiles.writeFully(channel, ByteBuffer.wrap(bytes)));
  }

  /** Prepares a file with what {@code writer} puts into the channel. */
  public void write(String name, IoConsumer<FileChannel> writer) {
    Path target = folder.resolve(name);
    if (!CommitRecord.isName(folder, name) || staged.containsKey(name)) {
      throw new IllegalArgumentException(
          "\"" + name + "\" is not the name of a further file of " + folder + ".");
    }
    if (Files.isDirectory(target)) {
      throw new UncheckedIOException(
          "Cannot write " + target + ": it is a folder. Move it away.",
          new FileAlreadyExistsException(target.toString()));
    }
    Path temporary = CommitRecord.staged(folder, name, id);
    staged.put(name, temporary);
    try (FileChannel channel =
        FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      writer.accept(channel);
      channel.force(true);
    } catch (IOException e) {
      throw failure("Cannot write " + target + "; the file there, if any, is unchanged", e);
    }
  }

  /** Plans to remove a file, if it is there, after the new ones are in place. */
  public void delete(String name) {
    deleted.add(name);
  }

  /** Moves the files into place. */
  public void commit() {
    List<String> removed = deleted.stream().filter(name -> !staged.containsKey(name)).toList();
    try {
      if (staged.size() == 1 && removed.isEmpty()) {
        Map.Entry<String, Path> only = staged.entrySet().iterator().next();
        Files.move(only.getValue(), folder.resolve(only.getKey()), StandardCopyOption.ATOMIC_MOVE);
        staged.clear();
      } else {
        CommitRecord.of(folder, id, staged.keySet(), removed).commit(staged::clear);
      }
      flushFolder();
    } catch (IOException e) {
      throw failure("Cannot replace files in " + folder, e);
    }
  }

  /** Removes what was prepared and not committed. */
  @Override
  public void close() {
    for (Path temporary : staged.values()) {
      try {
        Files.deleteIfExists(temporary);
      } catch (IOException e) {
        // A leftover temporary file is harmless, and the error that led here says more.
      }
    }
    staged.clear();
  }

  /** Makes the renames survive a power failure, where the system can (Windows cannot). */
  private void flushFolder() {
    try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
      channel.force(true);
    } catch (IOException e) {
      return; // the files themselves are on the disk
    }
  }

  static UncheckedIOException failure(String what, IOException cause) {
    String reason = cause.getMessage();
    if (cause instanceof AccessDeniedException) {
      reason = "permission denied for " + cause.getMessage();
    } else if (cause instanceof NoSuchFileException) {
      reason = "the folder does not exist any more";
    }
    return new UncheckedIOException(what + ": " + reason + ".", cause);
  }
}
