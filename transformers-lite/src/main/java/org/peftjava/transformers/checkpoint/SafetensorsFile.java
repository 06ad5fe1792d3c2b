package org.peftjava.transformers.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.checkpoint.SafetensorsHeader.Entry;
import org.peftjava.transformers.config.InvalidFileException;

/**
 * A mapped safetensors file: {@code u64 header length, header JSON, data}, little-endian.
 *
 * <p>The header is read through the mapping, so that header and data are of one file even if
 * another one takes its name meanwhile.
 */
final class SafetensorsFile implements WeightSource {
  private static final int LENGTH_BYTES = 8;
  private static final long MAX_HEADER = 100_000_000; // the reference reader's limit

  private final Path file;
  private final Tensor bytes;
  private final long dataStart;
  private final SafetensorsHeader header;

  private SafetensorsFile(Path file, Tensor bytes, long dataStart, SafetensorsHeader header) {
    this.file = file;
    this.bytes = bytes;
    this.dataStart = dataStart;
    this.header = header;
  }

  static SafetensorsFile open(Path file) {
    long size = size(file);
    if (size < LENGTH_BYTES) {
      throw new InvalidFileException(
          file, "has " + size + " bytes; a safetensors file has at least 8. It was cut short.");
    }
    try (TensorScope scope = TensorScope.open("open safetensors")) {
      Tensor mapped = Creation.mapFile(file, size);
      long length =
          ByteBuffer.wrap(mapped.narrow(0, 0, LENGTH_BYTES).toBytes())
              .order(ByteOrder.LITTLE_ENDIAN)
              .getLong();
      long rest = size - LENGTH_BYTES;
      if (length < 0 || length > MAX_HEADER || length > rest) {
        throw new InvalidFileException(
            file,
            "claims a header of "
                + Long.toUnsignedString(length)
                + " bytes, but "
                + rest
                + " bytes follow (at most "
                + MAX_HEADER
                + " are allowed). The file was cut short or is not safetensors.");
      }
      byte[] text = mapped.narrow(0, LENGTH_BYTES, length).toBytes();
      SafetensorsHeader header = SafetensorsHeader.parse(file, text, rest - length);
      return new SafetensorsFile(file, mapped.escape(), LENGTH_BYTES + length, header);
    }
  }

  private static long size(Path file) {
    try {
      if (Files.isDirectory(file)) {
        throw new IllegalArgumentException(
            file + " is a folder. Give a .safetensors file, or open the folder as a checkpoint.");
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

  @Override
  public Set<String> names() {
    return header.entries().keySet();
  }

  @Override
  public DType dtype(String name) {
    return entry(name).dtype();
  }

  @Override
  public Shape shape(String name) {
    return entry(name).shape();
  }

  @Override
  public Map<String, String> metadata() {
    return header.metadata();
  }

  @Override
  public Tensor tensor(String name) {
    Entry entry = entry(name);
    long[] sizes = entry.shape().toArray();
    long begin = dataStart + entry.begin();
    long length = entry.end() - entry.begin();
    if (length == 0) {
      return Creation.empty(entry.dtype(), Device.CPU, sizes);
    }
    try (TensorScope scope = TensorScope.open("read tensor")) {
      Tensor raw = view(begin, length);
      if (begin % entry.dtype().byteSize() != 0) {
        raw = raw.copy();
      }
      // A byte other than 0 and 1 is no boolean to libtorch: compare instead of reinterpreting.
      Tensor typed = entry.dtype() == DType.BOOL ? raw.ne(0) : raw.viewAs(entry.dtype());
      return scope.keep(typed.reshape(sizes));
    }
  }

  @Override
  public synchronized void close() {
    bytes.close();
  }

  /** Holds the lock so that closing on another thread cannot free the tensor meanwhile. */
  private synchronized Tensor view(long begin, long length) {
    if (bytes.isClosed()) {
      throw new IllegalStateException(
          file + " was closed. Take tensors from it before closing it; they stay valid.");
    }
    return bytes.narrow(0, begin, length);
  }

  private Entry entry(String name) {
    Entry entry = header.entries().get(name);
    if (entry == null) {
      throw new IllegalArgumentException(
          file + " has no tensor \"" + name + "\". It has " + NameList.of(names()) + ".");
    }
    return entry;
  }

  @Override
  public String toString() {
    return file.toString();
  }
}
