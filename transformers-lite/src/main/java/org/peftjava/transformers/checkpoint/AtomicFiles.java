package org.peftjava.transformers.checkpoint;

import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;

/**
 * Writes files that appear whole or not at all: into a temporary file next to the target, flushed
 * to the disk, then moved over the target in one step.
 *
 * <p>A process that dies while writing leaves the old file, and maybe a file whose name begins with
 * a dot and ends in {@code .tmp}. For files that belong together use {@link FileBatch}.
 */
public final class AtomicFiles {
  private AtomicFiles() {}

  /** Replaces or creates a file with these bytes; creates missing folders. */
  public static void write(Path file, byte[] bytes) {
    write(file, channel -> writeFully(channel, ByteBuffer.wrap(bytes)));
  }

  /** Replaces or creates a file with what {@code writer} puts into the channel. */
  public static void write(Path file, IoConsumer<FileChannel> writer) {
    Path whole = file.toAbsolutePath();
    Path folder = whole.getParent();
    if (folder == null || whole.getFileName() == null) {
      throw new IllegalArgumentException(file + " is not a file name. Give a path to a file.");
    }
    try (FileBatch batch = FileBatch.open(folder)) {
      batch.write(whole.getFileName().toString(), writer);
      batch.commit();
    }
  }

  static void writeFully(FileChannel channel, ByteBuffer bytes) throws java.io.IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }
}
