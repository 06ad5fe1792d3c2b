package org.peftjava.transformers.checkpoint;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import org.peftjava.transformers.config.InvalidFileException;

/** The bytes of a pickle inside a mapped file, read in order. */
final class PickleInput {
  private static final int CHUNK = 1 << 16;
  private static final int MAX_LINE = 512;

  private final MappedFile file;
  private final long begin;
  private final long end;
  private byte[] chunk = new byte[0];
  private long chunkBegin;
  private long position;

  /** Reads from {@code begin} to {@code end}, the latter excluded. */
  PickleInput(MappedFile file, long begin, long end) {
    this.file = file;
    this.begin = begin;
    this.end = end;
    this.chunkBegin = begin;
    this.position = begin;
  }

  /** Where the next byte lies in the file. */
  long position() {
    return position;
  }

  /** Bytes read so far. */
  long consumed() {
    return position - begin;
  }

  int next() {
    require(1);
    int at = (int) (position - chunkBegin);
    if (at >= chunk.length) {
      chunkBegin = position;
      chunk = file.read(position, (int) Math.min(CHUNK, end - position));
      at = 0;
    }
    position++;
    return chunk[at] & 0xff;
  }

  byte[] bytes(long count) {
    require(count);
    byte[] result = file.read(position, (int) count);
    position += count;
    return result;
  }

  /** A little-endian number without sign, of 1 to 4 bytes. */
  long unsigned(int bytes) {
    long value = 0;
    for (int i = 0; i < bytes; i++) {
      value |= (long) next() << (8 * i);
    }
    return value;
  }

  /** A little-endian number in two's complement, of 0 to 8 bytes. */
  long signed(int bytes) {
    long value = 0;
    for (int i = 0; i < bytes; i++) {
      value |= (long) next() << (8 * i);
    }
    int unused = 64 - 8 * bytes;
    return bytes == 0 ? 0 : value << unused >> unused;
  }

  /** A number that only its bits limit: lengths of 8 bytes. */
  long length() {
    long value = signed(8);
    if (value < 0) {
      throw invalid("a length of " + Long.toUnsignedString(value) + " bytes");
    }
    return value;
  }

  double bigEndianDouble() {
    return ByteBuffer.wrap(bytes(8)).order(ByteOrder.BIG_ENDIAN).getDouble();
  }

  /** Text of this many bytes, UTF-8. */
  String text(long bytes) {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes(bytes))).toString();
    } catch (CharacterCodingException e) {
      throw new InvalidFileException(
          file.file(), "its pickle has text that is not UTF-8 at byte " + position + ".", e);
    }
  }

  /** A line without its end; names of globals are such. */
  String line() {
    StringBuilder line = new StringBuilder();
    for (int c = next(); c != '\n'; c = next()) {
      if (line.length() == MAX_LINE) {
        throw invalid("a name of more than " + MAX_LINE + " bytes");
      }
      line.append((char) c);
    }
    return line.toString();
  }

  InvalidFileException invalid(String found) {
    return new InvalidFileException(
        file.file(),
        "its pickle has " + found + " at byte " + consumed() + ". Fetch or write it again.");
  }

  private void require(long count) {
    if (count > end - position) {
      throw new InvalidFileException(
          file.file(),
          "its pickle ends after "
              + (end - begin)
              + " bytes, in the middle of a value. The file was cut short.");
    }
  }
}
