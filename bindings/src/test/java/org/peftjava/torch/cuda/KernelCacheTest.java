package org.peftjava.torch.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is on the disk is either what would have been compiled, or is compiled again. */
class KernelCacheTest {
  private static final KernelSource SOURCE =
      new KernelSource("a.cu", "void a() {}", Map.of("b.cuh", "int b;"));

  @TempDir Path parent;

  /** Counts what it compiles. */
  private static final class Compiler implements KernelCompiler {
    private final String version;
    private int compiled;

    Compiler(String version) {
      this.version = version;
    }

    @Override
    public String version() {
      return version;
    }

    @Override
    public byte[] compile(KernelSource source, String architecture) {
      compiled++;
      return (source.text() + source.headers() + architecture + version)
          .getBytes(StandardCharsets.UTF_8);
    }

    @Override
    public String architectureFor(int capability) {
      return "sm_" + capability;
    }
  }

  private Path folder() {
    return parent.resolve("peft-java/cuda");
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(folder())) {
      return files.toList();
    }
  }

  @Test
  void compilesOnceForEveryProcess() throws IOException {
    Compiler compiler = new Compiler("13.1");
    byte[] first = new KernelCache(folder()).get(SOURCE, "sm_90", compiler);
    byte[] second = new KernelCache(folder()).get(SOURCE, "sm_90", compiler);
    assertEquals(1, compiler.compiled);
    assertArrayEquals(first, second);
    assertEquals(1, files().size());
    assertEquals(
        "rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(folder())));
  }

  /** Another source, header, name, card or compiler is another file. */
  @Test
  void everythingThatMattersIsInTheName() throws IOException {
    KernelCache cache = new KernelCache(folder());
    List<KernelSource> sources =
        List.of(
            SOURCE,
            new KernelSource("a.cu", "void a() { }", SOURCE.headers()),
            new KernelSource("a.cu", SOURCE.text(), Map.of("b.cuh", "long b;")),
            new KernelSource("a.cu", SOURCE.text(), Map.of("c.cuh", "int b;")),
            new KernelSource("c.cu", SOURCE.text(), SOURCE.headers()));
    List<byte[]> all = new ArrayList<>();
    for (KernelSource source : sources) {
      all.add(cache.get(source, "sm_90", new Compiler("13.1")));
    }
    all.add(cache.get(SOURCE, "sm_80", new Compiler("13.1")));
    all.add(cache.get(SOURCE, "sm_90", new Compiler("13.2")));
    assertEquals(all.size(), files().size());
    assertArrayEquals(all.get(0), cache.get(SOURCE, "sm_90", new Compiler("13.1")));
  }

  /** Damaged, cut, empty, too long, from elsewhere: compiled again, and put right. */
  @ParameterizedTest
  @ValueSource(strings = {"flipped", "cut", "empty", "longer", "text", "other", "folder"})
  void aFileThatIsNotSoundIsCompiledAgain(String damage) throws IOException {
    Compiler compiler = new Compiler("13.1");
    KernelCache cache = new KernelCache(folder());
    byte[] expected = cache.get(SOURCE, "sm_90", compiler);
    Path file = files().get(0);
    byte[] sound = Files.readAllBytes(file);
    byte[] flipped = sound.clone();
    flipped[flipped.length - 1] ^= 1;
    switch (damage) {
      case "flipped" -> Files.write(file, flipped);
      case "cut" -> Files.write(file, Arrays.copyOf(sound, sound.length - 5));
      case "empty" -> Files.write(file, new byte[0]);
      case "longer" -> Files.write(file, Arrays.copyOf(sound, sound.length + 1));
      case "text" -> Files.writeString(file, "void evil() {}".repeat(100));
      case "other" -> {
        // A sound file, of another source, under this one's name.
        cache.get(new KernelSource("x.cu", "x", Map.of()), "sm_90", compiler);
        Path other = files().stream().filter(f -> !f.equals(file)).findFirst().orElseThrow();
        Files.write(file, Files.readAllBytes(other));
      }
      default -> {
        Files.delete(file);
        Files.createDirectory(file);
      }
    }
    int before = compiler.compiled;
    assertArrayEquals(expected, cache.get(SOURCE, "sm_90", compiler));
    assertEquals(before + 1, compiler.compiled);
    cache.get(SOURCE, "sm_90", compiler);
    boolean mended = !damage.equals("folder");
    if (mended) {
      assertArrayEquals(sound, Files.readAllBytes(file));
    }
    assertEquals(mended ? before + 1 : before + 2, compiler.compiled);
  }

  /** A huge file is not read. */
  @Test
  void aHugeFileIsNotRead() throws IOException {
    Compiler compiler = new Compiler("13.1");
    KernelCache cache = new KernelCache(folder());
    cache.get(SOURCE, "sm_90", compiler);
    Path file = files().get(0);
    try (var channel = Files.newByteChannel(file, java.nio.file.StandardOpenOption.WRITE)) {
      channel.position(1L << 33); // sparse
      channel.write(java.nio.ByteBuffer.wrap(new byte[] {1}));
    }
    cache.get(SOURCE, "sm_90", compiler);
    assertEquals(2, compiler.compiled);
  }

  /** Nothing is read from or written to a folder that is not the user's alone. */
  @ParameterizedTest
  @ValueSource(strings = {"open", "link", "file"})
  void aFolderOfOthersIsLeftAlone(String kind) throws IOException {
    Compiler compiler = new Compiler("13.1");
    Path own = parent.resolve("own");
    new KernelCache(own).get(SOURCE, "sm_90", compiler);
    Path used = parent.resolve("used");
    switch (kind) {
      case "open" -> {
        Files.move(own, used);
        Files.setPosixFilePermissions(used, PosixFilePermissions.fromString("rwxrwxrwx"));
      }
      case "link" -> Files.createSymbolicLink(used, own);
      default -> Files.writeString(used, "not a folder");
    }
    KernelCache cache = new KernelCache(used);
    cache.get(SOURCE, "sm_90", compiler);
    cache.get(new KernelSource("new.cu", "new", Map.of()), "sm_90", compiler);
    assertEquals(3, compiler.compiled);
    if (!kind.equals("file")) {
      try (Stream<Path> files = Files.list(used)) {
        assertEquals(1, files.count());
      }
    }
  }

  /** A link in a file's place is not followed. */
  @Test
  void linksAreNotFollowed() throws IOException {
    Compiler compiler = new Compiler("13.1");
    KernelCache cache = new KernelCache(folder());
    cache.get(SOURCE, "sm_90", compiler);
    Path file = files().get(0);
    Path elsewhere = parent.resolve("elsewhere");
    Files.move(file, elsewhere);
    Files.createSymbolicLink(file, elsewhere);
    cache.get(SOURCE, "sm_90", compiler);
    assertEquals(2, compiler.compiled);
    assertFalse(Files.isSymbolicLink(file));
    assertTrue(Files.exists(elsewhere));
  }

  @Test
  void whatTheDriverRefusesIsForgotten() {
    Compiler compiler = new Compiler("13.1");
    KernelCache cache = new KernelCache(folder());
    cache.get(SOURCE, "sm_90", compiler);
    cache.forget(SOURCE, "sm_90", compiler);
    cache.get(SOURCE, "sm_90", compiler);
    assertEquals(2, compiler.compiled);
  }

  @Test
  void withoutAFolderAllIsCompiled() {
    Compiler compiler = new Compiler("13.1");
    KernelCache none = new KernelCache(null);
    none.get(SOURCE, "sm_90", compiler);
    none.forget(SOURCE, "sm_90", compiler);
    none.get(SOURCE, "sm_90", compiler);
    assertEquals(2, compiler.compiled);
  }

  /** An error of the compiler is the caller's, and nothing is stored. */
  @Test
  void errorsAreNotKept() {
    KernelCompiler failing =
        new KernelCompiler() {
          @Override
          public String version() {
            return "13.1";
          }

          @Override
          public byte[] compile(KernelSource source, String architecture) {
            throw new CudaException("a.cu(1): error");
          }

          @Override
          public String architectureFor(int capability) {
            return "sm_" + capability;
          }
        };
    assertThrows(
        CudaException.class, () -> new KernelCache(folder()).get(SOURCE, "sm_90", failing));
    assertFalse(Files.exists(folder()));
  }
}
