package org.peftjava.transformers.training;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/**
 * The lines of a text file, packed with gzip or not, with an error that names the line where bytes
 * are not UTF-8.
 */
final class Utf8Lines {
  /** How the names of packed files end. */
  static final String PACKED = ".gz";

  private Utf8Lines() {}

  static List<String> read(Path file) {
    byte[] bytes;
    try (InputStream in = open(file)) {
      bytes = in.readAllBytes();
    } catch (ZipException | EOFException e) {
      throw new IllegalArgumentException(
          file
              + ": not a whole file packed with gzip, as its name says. Copy it again, or rename it"
              + " if it is plain text.",
          e);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "The data file " + file + " cannot be read. Does it exist, and may it be read?", e);
    }
    List<String> lines = new ArrayList<>();
    int start = 0;
    for (int i = 0; i <= bytes.length; i++) {
      if (i == bytes.length ? start < i : bytes[i] == '\n') {
        int end = i > start && bytes[i - 1] == '\r' ? i - 1 : i;
        lines.add(decode(file, lines.size() + 1, bytes, start, end));
        start = i + 1;
      }
    }
    return lines;
  }

  private static InputStream open(Path file) throws IOException {
    InputStream in = Files.newInputStream(file);
    if (!file.toString().endsWith(PACKED)) {
      return in;
    }
    try {
      return new GZIPInputStream(in);
    } catch (IOException e) {
      in.close();
      throw e;
    }
  }

  private static String decode(Path file, int number, byte[] bytes, int start, int end) {
    boolean hasMark =
        number == 1
            && end - start >= 3
            && bytes[0] == (byte) 0xEF
            && bytes[1] == (byte) 0xBB
            && bytes[2] == (byte) 0xBF;
    int from = hasMark ? start + 3 : start;
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(bytes, from, end - from))
          .toString();
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException(
          file
              + ", line "
              + number
              + ": not valid UTF-8. Convert the file, for instance with"
              + " iconv -f <its encoding> -t UTF-8.",
          e);
    }
  }
}
