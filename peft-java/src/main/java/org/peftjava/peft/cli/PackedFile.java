package org.peftjava.peft.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.function.Function;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/** Reads files that may be packed with gzip. */
final class PackedFile {
  private static final String SUFFIX = ".gz";

  private PackedFile() {}

  /** Hands the file to a reader, or an unpacked copy under the name without {@code .gz}. */
  static <T> T read(Path file, Function<Path, T> reader) {
    String name = file.getFileName().toString();
    if (!name.endsWith(SUFFIX)) {
      return reader.apply(file);
    }
    try {
      String plainName = name.substring(0, name.length() - SUFFIX.length());
      Path copy = Files.createTempFile("peft-", "-" + plainName);
      try (InputStream in = new GZIPInputStream(Files.newInputStream(file))) {
        Files.copy(in, copy, StandardCopyOption.REPLACE_EXISTING);
        return reader.apply(copy);
      } catch (IllegalArgumentException e) {
        String message = String.valueOf(e.getMessage()).replace(copy.toString(), file.toString());
        throw new CommandFailure(ExitCode.BAD_DATA, message, e);
      } finally {
        Files.deleteIfExists(copy);
      }
    } catch (ZipException e) {
      throw new CommandFailure(
          ExitCode.BAD_DATA, file + ": not packed with gzip. Unpack it and give the text file.", e);
    } catch (IOException e) {
      throw new UncheckedIOException(file + " cannot be unpacked: " + e.getMessage(), e);
    }
  }
}
