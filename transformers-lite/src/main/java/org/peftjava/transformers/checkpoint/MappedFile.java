package org.peftjava.transformers.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/**
 * A whole file in memory, as far as it is touched. Everything is read through the mapping, so that
 * all parts are of one file even if another one takes its name meanwhile.
 */
final class MappedFile implements AutoCloseable {
  private final Path file;
  private final Tensor bytes;
  private final Identity identity;

  /** What tells whether a name still stands for the same file. */
  private record Identity(@Nullable Object key, FileTime modified, long size) {
    static Identity of(Path file) {
      try {
        BasicFileAttributes facts = Files.readAttributes(file, BasicFileAttributes.class);
        return new Identity(facts.fileKey(), facts.lastModifiedTime(), facts.size());
      } catch (IOException e) {
        return new Identity(null, FileTime.fromMillis(0), -1);
      }
    }
  }

  private MappedFile(Path file, Tensor bytes, Identity identity) {
    this.file = file;
    this.bytes = bytes;
    this.identity = identity;
  }

  /** Maps a file of this size, which is not 0. */
  static MappedFile open(Path file, long size) {
    try (TensorScope scope = TensorScope.open("map file")) {
      Identity before = Identity.of(file);
      return new MappedFile(file, Creation.mapFile(file, size).escape(), before);
    }
  }

  /**
   * The same bytes in a mapping of its own, whose pages are given up when it and the tensors over
   * it are closed. If another file has the name by now, it shares this mapping.
   */
  MappedFile again() {
    checkOpen();
    if (identity.key() != null && Identity.of(file).equals(identity)) {
      MappedFile fresh = open(file, identity.size());
      if (fresh.identity.equals(identity) && Identity.of(file).equals(identity)) {
        return fresh;
      }
      fresh.close();
    }
    synchronized (this) {
      return new MappedFile(file, view(0, size()).escape(), identity);
    }
  }

  /** The bytes of a file that can be read. {@code kind} is its usual ending, for errors. */
  static long size(Path file, String kind) {
    try {
      if (Files.isDirectory(file)) {
        throw new IllegalArgumentException(
            file + " is a folder. Give a " + kind + " file, or open the folder as a checkpoint.");
      }
      if (!Files.isRegularFile(file)) {
        throw new UncheckedIOException(
            "There is no file " + file + ". Check the path.",
            new NoSuchFileException(file.toString()));
      }
      if (!Files.isReadable(file)) {
        throw new UncheckedIOException(
            "Cannot read " + file + ". Check its permissions.",
            new AccessDeniedException(file.toString()));
      }
      return Files.size(file);
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read " + file + ": " + e.getMessage() + ".", e);
    }
  }

  Path file() {
    return file;
  }

  long size() {
    return bytes.numel();
  }

  /** Copies bytes into Java memory. */
  byte[] read(long begin, int length) {
    try (TensorScope scope = TensorScope.open("read bytes")) {
      return view(begin, length).toBytes();
    }
  }

  /**
   * The elements in a range of bytes, as a vector in the current scope: a view, or a copy where the
   * address does not suit the type.
   */
  Tensor elements(DType dtype, long begin, long length) {
    try (TensorScope scope = TensorScope.open("read tensor")) {
      Tensor raw = view(begin, length);
      if (begin % dtype.byteSize() != 0) {
        raw = raw.copy();
      }
      // A byte other than 0 and 1 is no boolean to libtorch: compare instead of reinterpreting.
      return scope.keep(dtype == DType.BOOL ? raw.ne(0) : raw.viewAs(dtype));
    }
  }

  @Override
  public synchronized void close() {
    bytes.close();
  }

  /** Holds the lock so that closing on another thread cannot free the tensor meanwhile. */
  private synchronized Tensor view(long begin, long length) {
    checkOpen();
    return bytes.narrow(0, begin, length);
  }

  private synchronized void checkOpen() {
    if (bytes.isClosed()) {
      throw new IllegalStateException(
          file + " was closed. Take tensors from it before closing it; they stay valid.");
    }
  }
}
