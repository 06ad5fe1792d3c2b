package org.peftjava.transformers.checkpoint;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.peftjava.transformers.config.InvalidFileException;

/**
 * The entries of a zip file that are stored as they are, with the place of their bytes, which
 * {@code java.util.zip} does not tell.
 *
 * <p>Format: PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16 and 4.5.3 (zip64).
 * Compressed entries are refused (torch writes none), so that nothing can grow while it is read;
 * names are only looked up, never used as paths.
 */
final class ZipDirectory {
  private static final int LOCAL = 0x04034b50;
  private static final int CENTRAL = 0x02014b50;
  private static final int END = 0x06054b50;
  private static final int END_64 = 0x06064b50;
  private static final int LOCATOR_64 = 0x07064b50;
  private static final int END_BYTES = 22;
  private static final int CENTRAL_BYTES = 46;
  private static final int LOCAL_BYTES = 30;
  private static final int MAX_DIRECTORY = 32 << 20;
  private static final int MAX_ENTRIES = 200_000;
  private static final int MAX_COMMENT = 65_535;
  private static final long UNKNOWN_32 = 0xffffffffL;

  private final MappedFile file;

  /**
   * Where an entry's bytes lie.
   *
   * @param crc the checksum that the directory claims
   */
  record Entry(long begin, long length, long crc) {}

  private ZipDirectory(MappedFile file) {
    this.file = file;
  }

  /** Whether the file begins as a zip file does. */
  static boolean isZip(MappedFile file) {
    return file.size() >= END_BYTES && new ZipDirectory(file).at(0, 4).getInt() == LOCAL;
  }

  /** All entries by name. */
  static Map<String, Entry> read(MappedFile file) {
    return Collections.unmodifiableMap(new ZipDirectory(file).entries());
  }

  private Map<String, Entry> entries() {
    long end = findEnd();
    ByteBuffer record = at(end, END_BYTES);
    long count = record.getShort(10) & 0xffff;
    long size = record.getInt(12) & UNKNOWN_32;
    long offset = record.getInt(16) & UNKNOWN_32;
    long limit = end;
    if (end >= 20 && at(end - 20, 4).getInt() == LOCATOR_64) {
      limit = at(end - 20, 20).getLong(8);
      if (limit < 0 || limit > end - 20 - 56 || at(limit, 4).getInt() != END_64) {
        throw damaged("its zip64 record is not where the locator says");
      }
      ByteBuffer wide = at(limit, 56);
      count = wide.getLong(32);
      size = wide.getLong(40);
      offset = wide.getLong(48);
    }
    if (size < 0 || size > MAX_DIRECTORY || offset < 0 || offset > limit - size) {
      throw damaged("its directory of " + size + " bytes at " + offset + " is not in the file");
    }
    if (count < 0 || count > Math.min(MAX_ENTRIES, size / CENTRAL_BYTES)) {
      throw damaged("it claims " + count + " entries in a directory of " + size + " bytes");
    }
    return entries(at(offset, (int) size), count, offset);
  }

  private Map<String, Entry> entries(ByteBuffer directory, long count, long dataEnd) {
    Map<String, Entry> entries = new LinkedHashMap<>();
    for (long i = 0; i < count; i++) {
      int start = directory.position();
      if (directory.remaining() < CENTRAL_BYTES || directory.getInt(start) != CENTRAL) {
        throw damaged("entry " + i + " of its directory is damaged");
      }
      int nameLength = directory.getShort(start + 28) & 0xffff;
      int extraLength = directory.getShort(start + 30) & 0xffff;
      int total =
          CENTRAL_BYTES + nameLength + extraLength + (directory.getShort(start + 32) & 0xffff);
      if (directory.remaining() < total) {
        throw damaged("entry " + i + " of its directory is longer than the directory");
      }
      byte[] name = new byte[nameLength];
      directory.get(start + CENTRAL_BYTES, name);
      ByteBuffer extra =
          directory
              .slice(start + CENTRAL_BYTES + nameLength, extraLength)
              .order(ByteOrder.LITTLE_ENDIAN);
      Entry entry = entry(directory, start, name, extra, dataEnd);
      if (entries.put(new String(name, StandardCharsets.UTF_8), entry) != null) {
        throw damaged(
            "it has the entry \"" + new String(name, StandardCharsets.UTF_8) + "\" twice");
      }
      directory.position(start + total);
    }
    return entries;
  }

  private Entry entry(
      ByteBuffer directory, int start, byte[] name, ByteBuffer extra, long dataEnd) {
    String text = new String(name, StandardCharsets.UTF_8);
    int flags = directory.getShort(start + 8) & 0xffff;
    int method = directory.getShort(start + 10) & 0xffff;
    if (method != 0 || (flags & 1) != 0) {
      throw damaged(
          "its entry \""
              + text
              + "\" is "
              + (method != 0 ? "compressed (method " + method + ")" : "encrypted")
              + "; torch.save stores entries as they are");
    }
    long crc = directory.getInt(start + 16) & UNKNOWN_32;
    long[] wide = {
      directory.getInt(start + 24) & UNKNOWN_32, // size
      directory.getInt(start + 20) & UNKNOWN_32, // compressed size
      directory.getInt(start + 42) & UNKNOWN_32 // local header
    };
    readZip64(extra, wide);
    long header = wide[2];
    if (wide[0] != wide[1] || wide[0] < 0 || header < 0 || header > dataEnd - LOCAL_BYTES) {
      throw damaged("its entry \"" + text + "\" has impossible sizes or lies outside of the file");
    }
    ByteBuffer local = at(header, LOCAL_BYTES);
    int nameLength = local.getShort(26) & 0xffff;
    long begin = header + LOCAL_BYTES + nameLength + (local.getShort(28) & 0xffff);
    boolean sameName =
        local.getInt(0) == LOCAL
            && nameLength == name.length
            && begin <= dataEnd
            && at(header + LOCAL_BYTES, nameLength).equals(ByteBuffer.wrap(name));
    if (!sameName || wide[0] > dataEnd - begin) {
      throw damaged("its entry \"" + text + "\" is not where the directory says, or is cut short");
    }
    return new Entry(begin, wide[0], crc);
  }

  /** Numbers that do not fit 32 bits are in the extra field, in this order. */
  private void readZip64(ByteBuffer extra, long[] values) {
    while (extra.remaining() >= 4) {
      int id = extra.getShort() & 0xffff;
      int length = extra.getShort() & 0xffff;
      if (length > extra.remaining()) {
        return; // what follows is padding
      }
      int next = extra.position() + length;
      if (id == 1) {
        for (int i = 0; i < values.length; i++) {
          if (values[i] == UNKNOWN_32 && next - extra.position() >= 8) {
            values[i] = extra.getLong();
          }
        }
      }
      extra.position(next);
    }
  }

  /** The record at the end of the file, which a comment of up to 64 KiB may follow. */
  private long findEnd() {
    int length = (int) Math.min(file.size(), END_BYTES + MAX_COMMENT);
    ByteBuffer tail = at(file.size() - length, length);
    for (int i = length - END_BYTES; i >= 0; i--) {
      if (tail.getInt(i) == END && (tail.getShort(i + 20) & 0xffff) == length - END_BYTES - i) {
        return file.size() - length + i;
      }
    }
    throw damaged("it has no directory at its end");
  }

  private ByteBuffer at(long begin, int length) {
    return ByteBuffer.wrap(file.read(begin, length)).order(ByteOrder.LITTLE_ENDIAN);
  }

  private InvalidFileException damaged(String problem) {
    return new InvalidFileException(
        file.file(),
        "is no readable zip file: " + problem + ". It was cut short or damaged; fetch it again.");
  }
}
