package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.function.Executable;
import org.peftjava.torch.TensorLedger;

/** Checks that something is refused in words that help, and that it changes nothing. */
final class Refusal {
  private static final Pattern CLASS_NAME = Pattern.compile("[a-z]\\.[A-Z]\\w*(Exception|Error)");

  private Refusal() {}

  /**
   * Fails unless {@code work} throws a message that holds all {@code facts}, and leaves every file
   * below {@code folder} and the number of live tensors as they were.
   */
  static void of(Path folder, Executable work, String... facts) {
    Map<String, String> files = contents(folder);
    long live = TensorLedger.liveTensors();
    RuntimeException error = assertThrows(RuntimeException.class, work);
    String message = String.valueOf(error.getMessage());
    for (String fact : facts) {
      assertTrue(message.contains(fact), () -> "\"" + fact + "\" is not in: " + error);
    }
    assertTrue(message.matches("(?s)\\S.{20,1000}"), () -> "too short or too long: " + error);
    assertFalse(CLASS_NAME.matcher(message).find(), () -> "names a class: " + error);
    assertFalse(message.contains("\n"), () -> "more than one line: " + error);
    assertFalse(
        error instanceof NullPointerException
            || error instanceof ClassCastException
            || error instanceof IndexOutOfBoundsException,
        () -> "an accident, not a refusal: " + error);
    assertEquals(files, contents(folder), "files changed");
    assertEquals(live, TensorLedger.liveTensors(), () -> "live tensors after: " + error);
  }

  private static Map<String, String> contents(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      Map<String, String> result = new TreeMap<>();
      for (Path file : (Iterable<Path>) files::iterator) {
        result.put(
            folder.relativize(file).toString(),
            Files.isDirectory(file)
                ? "folder"
                : Base64.getEncoder().encodeToString(Files.readAllBytes(file)));
      }
      return result;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Replaces a file by its first bytes. */
  static void truncate(Path file, int bytes) {
    byte[] all = read(file);
    write(file, Arrays.copyOf(all, bytes < 0 ? all.length + bytes : bytes));
  }

  /** Replaces text in a text file; it must be there. */
  static void replace(Path file, String text, String replacement) {
    String all = new String(read(file), StandardCharsets.ISO_8859_1);
    assertTrue(all.contains(text), () -> "\"" + text + "\" is not in " + file + ": " + all);
    write(file, all.replace(text, replacement).getBytes(StandardCharsets.ISO_8859_1));
  }

  /** Changes the header of a safetensors file to a text of any length, keeping the data. */
  static void replaceInHeader(Path file, String text, String replacement) {
    ByteBuffer all = ByteBuffer.wrap(read(file)).order(ByteOrder.LITTLE_ENDIAN);
    int length = (int) all.getLong(0);
    String header = new String(all.array(), 8, length, StandardCharsets.ISO_8859_1);
    assertTrue(header.contains(text), () -> "\"" + text + "\" is not in " + header);
    byte[] changed = header.replace(text, replacement).getBytes(StandardCharsets.ISO_8859_1);
    ByteBuffer result =
        ByteBuffer.allocate(all.capacity() - length + changed.length)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putLong(changed.length)
            .put(changed)
            .put(all.array(), 8 + length, all.capacity() - 8 - length);
    write(file, result.array());
  }

  static byte[] read(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static void write(Path file, byte[] bytes) {
    try {
      Files.write(file, bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static void delete(Path file) {
    try {
      Files.delete(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
