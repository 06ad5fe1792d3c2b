package org.peftjava.transformers.checkpoint;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
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

  private final MappedFile bytes;
  private final long dataStart;
  private final SafetensorsHeader header;

  private SafetensorsFile(MappedFile bytes, long dataStart, SafetensorsHeader header) {
    this.bytes = bytes;
    this.dataStart = dataStart;
    this.header = header;
  }

  static SafetensorsFile open(Path file) {
    long size = MappedFile.size(file, ".safetensors");
    if (size < LENGTH_BYTES) {
      throw new InvalidFileException(
          file, "has " + size + " bytes; a safetensors file has at least 8. It was cut short.");
    }
    MappedFile mapped = MappedFile.open(file, size);
    try {
      return read(mapped);
    } catch (RuntimeException e) {
      mapped.close();
      throw e;
    }
  }

  private static SafetensorsFile read(MappedFile mapped) {
    long length =
        ByteBuffer.wrap(mapped.read(0, LENGTH_BYTES)).order(ByteOrder.LITTLE_ENDIAN).getLong();
    long rest = mapped.size() - LENGTH_BYTES;
    if (length < 0 || length > MAX_HEADER || length > rest) {
      throw new InvalidFileException(
          mapped.file(),
          "claims a header of "
              + Long.toUnsignedString(length)
              + " bytes, but "
              + rest
              + " bytes follow (at most "
              + MAX_HEADER
              + " are allowed). The file was cut short or is not safetensors.");
    }
    byte[] text = mapped.read(LENGTH_BYTES, (int) length);
    SafetensorsHeader header = SafetensorsHeader.parse(mapped.file(), text, rest - length);
    return new SafetensorsFile(mapped, LENGTH_BYTES + length, header);
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
    return tensor(bytes, entry(name));
  }

  @Override
  public Tensor tensor(String name, DType dtype) {
    Entry entry = entry(name);
    if (!entry.dtype().isFloatingPoint() || entry.dtype() == dtype) {
      return tensor(bytes, entry);
    }
    try (TensorScope scope = TensorScope.open("convert tensor");
        MappedFile once = bytes.again()) {
      return scope.keep(tensor(once, entry).to(dtype));
    }
  }

  @Override
  public void read(String name, Consumer<Tensor> reader) {
    try (TensorScope scope = TensorScope.open("read tensor");
        MappedFile once = bytes.again()) {
      reader.accept(tensor(once, entry(name)));
    }
  }

  private Tensor tensor(MappedFile from, Entry entry) {
    long[] sizes = entry.shape().toArray();
    long begin = dataStart + entry.begin();
    long length = entry.end() - entry.begin();
    if (length == 0) {
      return Creation.empty(entry.dtype(), Device.CPU, sizes);
    }
    try (TensorScope scope = TensorScope.open("read tensor")) {
      return scope.keep(from.elements(entry.dtype(), begin, length).reshape(sizes));
    }
  }

  @Override
  public void close() {
    bytes.close();
  }

  private Entry entry(String name) {
    Entry entry = header.entries().get(name);
    if (entry == null) {
      throw new IllegalArgumentException(
          bytes.file() + " has no tensor \"" + name + "\". It has " + NameList.of(names()) + ".");
    }
    return entry;
  }

  @Override
  public String toString() {
    return bytes.file().toString();
  }
}
