package org.peftjava.transformers.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.transformers.config.InvalidFileException;

class AtomicFilesTest {
  private static final int LARGE = 8 << 20;

  @TempDir Path folder;

  @Test
  void createsAndReplaces() throws IOException {
    Path file = folder.resolve("new/folder/file.txt");
    AtomicFiles.write(file, bytes("one"));
    assertEquals("one", Files.readString(file));
    AtomicFiles.write(file, channel -> channel.write(ByteBuffer.wrap(bytes("two"))));
    assertEquals("two", Files.readString(file));
    assertEquals(List.of("file.txt"), names(file.getParent()));
  }

  @Test
  void whatADeadProcessPreparedGoesAfterADay() throws IOException {
    Path abandoned = folder.resolve(".file.txt.0b5dbb9e-7a64-4a5e-9a53-7f3a3f6f2a11.tmp");
    Path recent = folder.resolve(".file.txt.1b5dbb9e-7a64-4a5e-9a53-7f3a3f6f2a11.tmp");
    Path foreign = folder.resolve(".notes.tmp");
    for (Path file : List.of(abandoned, recent, foreign)) {
      Files.writeString(file, "half");
    }
    FileTime longAgo = FileTime.from(Instant.now().minus(Duration.ofHours(25)));
    Files.setLastModifiedTime(abandoned, longAgo);
    Files.setLastModifiedTime(foreign, longAgo);

    AtomicFiles.write(folder.resolve("file.txt"), bytes("whole"));

    assertFalse(Files.exists(abandoned));
    assertTrue(Files.exists(recent), "its process may still be writing");
    assertTrue(Files.exists(foreign), "not ours");
  }

  @Test
  void aFailureLeavesTheOldFile() throws IOException {
    Path file = folder.resolve("file.txt");
    AtomicFiles.write(file, bytes("old"));
    UncheckedIOException full =
        assertThrows(
            UncheckedIOException.class,
            () ->
                AtomicFiles.write(
                    file,
                    channel -> {
                      channel.write(ByteBuffer.wrap(bytes("half")));
                      throw new IOException("No space left on device");
                    }));
    assertTrue(full.getMessage().contains(file.toString()), full.getMessage());
    assertTrue(full.getMessage().contains("No space left on device"), full.getMessage());
    assertThrows(
        IllegalStateException.class,
        () ->
            AtomicFiles.write(
                file,
                channel -> {
                  throw new IllegalStateException("a tensor was closed");
                }));
    assertEquals("old", Files.readString(file));
    assertEquals(List.of("file.txt"), names(folder));
  }

  @Test
  void saysWhyAPlaceCannotBeWritten() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "x");
    for (Path target : List.of(file.resolve("below.txt"), file.resolve("deep/below.txt"))) {
      String message =
          assertThrows(UncheckedIOException.class, () -> AtomicFiles.write(target, bytes("y")))
              .getMessage();
      assertTrue(message.contains(file.toString()), message);
    }
    Path directory = Files.createDirectories(folder.resolve("taken/inside")).getParent();
    String message =
        assertThrows(UncheckedIOException.class, () -> AtomicFiles.write(directory, bytes("y")))
            .getMessage();
    assertTrue(message.contains("is a folder"), message);
    assertThrows(IllegalArgumentException.class, () -> AtomicFiles.write(Path.of("/"), bytes("y")));
  }

  @Test
  void aBatchAppearsTogether() throws IOException {
    Files.writeString(folder.resolve("config.json"), "old");
    Files.writeString(folder.resolve("stale"), "old");
    try (FileBatch files = FileBatch.open(folder)) {
      files.write("weights", bytes("new"));
      files.write("config.json", bytes("new"));
      files.delete("stale");
      files.delete("config.json"); // written by the batch itself: stays
      assertEquals("old", Files.readString(folder.resolve("config.json")));
      assertFalse(Files.exists(folder.resolve("weights")));
      files.commit();
    }
    assertEquals(List.of("config.json", "weights"), names(folder));
    assertEquals("new", Files.readString(folder.resolve("config.json")));
  }

  @Test
  void anAbandonedBatchLeavesNothing() throws IOException {
    try (FileBatch files = FileBatch.open(folder)) {
      files.write("weights", bytes("new"));
      for (String name : List.of("weights", "../escape", "a/b", "", "/tmp/x")) {
        assertThrows(IllegalArgumentException.class, () -> files.write(name, bytes("x")));
      }
    }
    assertEquals(List.of(), names(folder));
  }

  /** Every point at which a process can die within a commit: after each step of it. */
  @Test
  void aCommitThatWasInterruptedIsCompletedByTheNextReader() throws IOException {
    String id = "01234567-89ab-cdef-0123-456789abcdef";
    for (int moved = 0; moved <= 2; moved++) {
      for (String name : List.of("config", "weights", "stale")) {
        Files.writeString(folder.resolve(name), "old");
      }
      for (String name : List.of("weights", "config").subList(moved, 2)) {
        Files.writeString(folder.resolve("." + name + "." + id + ".tmp"), "new");
      }
      for (String name : List.of("weights", "config").subList(0, moved)) {
        Files.writeString(folder.resolve(name), "new");
      }
      Files.writeString(
          folder.resolve(CommitRecord.FILE_NAME), id + "\n+weights\n+config\n-stale\n");
      FileBatch.finishInterrupted(folder);
      assertEquals(List.of("config", "weights"), names(folder));
      assertEquals("new", Files.readString(folder.resolve("weights")));
      assertEquals("new", Files.readString(folder.resolve("config")));
    }
  }

  @Test
  void aCommitThatFailsHalfWayIsCompletedLater() throws IOException {
    Files.writeString(folder.resolve("weights"), "old");
    try (FileBatch files = FileBatch.open(folder)) {
      files.write("weights", bytes("new"));
      files.write("config", bytes("new"));
      Files.createDirectories(folder.resolve("config/in-the-way"));
      assertThrows(UncheckedIOException.class, files::commit);
    }
    assertThrows(UncheckedIOException.class, () -> FileBatch.finishInterrupted(folder));
    Files.delete(folder.resolve("config/in-the-way"));
    Files.delete(folder.resolve("config"));
    FileBatch.finishInterrupted(folder);
    assertEquals(List.of("config", "weights"), names(folder));
    assertEquals("new", Files.readString(folder.resolve("config")));
  }

  @Test
  void aRecordWhoseFilesAreGoneIsNotIgnored() throws IOException {
    String id = "01234567-89ab-cdef-0123-456789abcdef";
    Files.writeString(folder.resolve(CommitRecord.FILE_NAME), id + "\n+weights\n");
    String message =
        assertThrows(UncheckedIOException.class, () -> FileBatch.finishInterrupted(folder))
            .getMessage();
    assertTrue(message.startsWith("A save into " + folder), message);
    assertTrue(message.contains("weights and its new version are both missing"), message);
  }

  @Test
  void aForgedRecordTouchesNothing() throws IOException {
    Path inside = Files.createDirectories(folder.resolve("model"));
    Path outside = Files.writeString(folder.resolve("outside"), "precious");
    String id = "01234567-89ab-cdef-0123-456789abcdef";
    for (String record :
        List.of(
            "",
            "x\n",
            "../x\n-a\n",
            id + "\n-../outside\n",
            id + "\n-..\n",
            id + "\n?a\n",
            id + "\n-" + outside + "\n")) {
      Files.writeString(inside.resolve(CommitRecord.FILE_NAME), record);
      InvalidFileException refused =
          assertThrows(InvalidFileException.class, () -> FileBatch.finishInterrupted(inside));
      assertTrue(refused.getMessage().contains("Remove it"), refused.getMessage());
      assertEquals("precious", Files.readString(outside));
    }
  }

  /** A process that is killed while it overwrites a file leaves one whole version. */
  @Test
  void killingTheProcessLeavesAWholeFile() throws Exception {
    Path file = folder.resolve("large.bin");
    for (int round = 0; round < 4; round++) {
      AtomicFiles.write(file, new byte[LARGE]);
      Process child =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-cp",
                  System.getProperty("java.class.path"),
                  Endless.class.getName(),
                  file.toString())
              .redirectErrorStream(true)
              .start();
      try {
        assertEquals('r', child.getInputStream().read(), "the child is ready");
        Thread.sleep(20 + 23L * round);
      } finally {
        child.destroyForcibly().waitFor();
      }
      byte[] content = Files.readAllBytes(file);
      byte[] expected = new byte[LARGE];
      Arrays.fill(expected, content[0]);
      assertTrue(Arrays.equals(expected, content), "a mixture of two versions");
      assertTrue(content[0] > 0, "the child never replaced the file");
    }
  }

  /** Overwrites a file again and again until it is killed. */
  static final class Endless {
    private Endless() {}

    public static void main(String[] args) {
      byte[] content = new byte[LARGE];
      for (int version = 1; ; version = version % 100 + 1) {
        Arrays.fill(content, (byte) version);
        AtomicFiles.write(Path.of(args[0]), content);
        if (version == 1) {
          System.out.print('r');
          System.out.flush();
        }
      }
    }
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static List<String> names(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }
}
