package org.peftjava.transformers.checkpoint;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Writes pickles operation by operation, and the zip file of torch around them. */
final class PickleBytes {
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();

  PickleBytes() {
    op(0x80, 2);
  }

  /** An operation with the bytes after it. */
  PickleBytes op(int... bytes) {
    for (int value : bytes) {
      out.write(value);
    }
    return this;
  }

  PickleBytes number(long value) {
    op('J');
    for (int i = 0; i < 4; i++) {
      op((int) (value >> (8 * i)) & 0xff);
    }
    return this;
  }

  /** LONG1 of 8 bytes. */
  PickleBytes wide(long value) {
    op(0x8a, 8);
    for (int i = 0; i < 8; i++) {
      op((int) (value >> (8 * i)) & 0xff);
    }
    return this;
  }

  PickleBytes text(String value) {
    byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
    op('X', utf8.length & 0xff, utf8.length >> 8, 0, 0);
    out.writeBytes(utf8);
    return this;
  }

  PickleBytes global(String module, String name) {
    op('c');
    out.writeBytes((module + "\n" + name + "\n").getBytes(StandardCharsets.UTF_8));
    return this;
  }

  /** {@code torch.FloatStorage} "0" with this many elements. */
  PickleBytes storage(long numel) {
    op('(').text("storage").global("torch", "FloatStorage").text("0").text("cpu").wide(numel);
    return op('t', 'Q');
  }

  /** A vector or other tensor over storage "0". */
  PickleBytes tensor(long numel, long offset, long[] sizes, long[] strides) {
    global("torch._utils", "_rebuild_tensor_v2").op('(').storage(numel).wide(offset);
    tuple(sizes).tuple(strides).op(0x89).global("collections", "OrderedDict").op(')', 'R');
    return op('t', 'R');
  }

  private PickleBytes tuple(long[] values) {
    op('(');
    for (long value : values) {
      wide(value);
    }
    return op('t');
  }

  byte[] bytes() {
    return out.toByteArray();
  }

  /** Ends the pickle and writes it as torch does, with storage "0". */
  Path write(Path file, byte[] storage) throws IOException {
    op('.');
    return zip(file, Map.of("x/data.pkl", bytes(), "x/data/0", storage));
  }

  /** A zip file of stored entries. */
  static Path zip(Path file, Map<String, byte[]> entries) throws IOException {
    try (OutputStream bytes = Files.newOutputStream(file);
        ZipOutputStream zip = new ZipOutputStream(bytes)) {
      for (Map.Entry<String, byte[]> item : new LinkedHashMap<>(entries).entrySet()) {
        CRC32 sum = new CRC32();
        sum.update(item.getValue());
        ZipEntry entry = new ZipEntry(item.getKey());
        entry.setMethod(ZipEntry.STORED);
        entry.setSize(item.getValue().length);
        entry.setCrc(sum.getValue());
        zip.putNextEntry(entry);
        zip.write(item.getValue());
        zip.closeEntry();
      }
    }
    return file;
  }
}
