package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Presence and choice of the library. What depends on start-up runs in a JVM of its own. */
class NativeKernelsTest {
  @Test
  @Tag("native-kernels")
  void describesTheInstructionSetInUse() {
    assertTrue(NativeKernels.available());
    assertEquals(Optional.empty(), NativeKernels.unavailableReason());
    for (KernelIsa isa : NativeKernels.supportedIsas()) {
      NativeKernels.useIsa(isa);
      assertEquals(Optional.of(isa), NativeKernels.isa());
      int lanes =
          switch (isa) {
            case SCALAR -> 4;
            case AVX2 -> 8;
            case AVX512 -> 16;
          };
      assertTrue(
          NativeKernels.describe().startsWith(isa.id() + ", " + lanes + " floats a vector"),
          NativeKernels.describe());
    }
  }

  @Test
  void canBeSwitchedOff() {
    List<String> out = probe(List.of("-Dpeftjava.kernels=off"), null);
    assertEquals("false native kernels switched off by -Dpeftjava.kernels=off", out.get(0));
    assertEquals("IllegalStateException", out.get(1));
  }

  @Test
  @Tag("native-kernels")
  void levelCanBeForced() {
    assertEquals("true scalar", probe(List.of("-Dpeftjava.kernels.isa=scalar"), null).get(0));
  }

  @Test
  @Tag("native-kernels")
  void unknownLevelFallsBackToTheFastest() {
    List<KernelIsa> all = NativeKernels.supportedIsas();
    assertEquals(
        "true " + all.get(all.size() - 1).id(),
        probe(List.of("-Dpeftjava.kernels.isa=sse9"), null).get(0));
  }

  /** A file that is no library stands before the real one on the class path. */
  @Test
  @Tag("native-kernels")
  void libraryThatDoesNotLoadIsOnlyLogged(@TempDir Path broken) throws IOException {
    String platform = org.bytedeco.javacpp.Loader.getPlatform();
    Path folder = broken.resolve("org/peftjava/torch/kernels/" + platform);
    Files.createDirectories(folder);
    Files.writeString(folder.resolve(System.mapLibraryName(KernelLibrary.NAME)), "not a library");
    List<String> out = probe(List.of(), broken);
    assertTrue(out.get(0).startsWith("false native kernels could not be loaded: "), out.get(0));
    assertEquals("IllegalStateException", out.get(1));
  }

  /** libtorch and the kernels share one OpenMP runtime in either order of loading. */
  @Test
  @Tag("native-kernels")
  void oneOpenMpRuntime() {
    for (String order : List.of("kernels-first", "libtorch-first")) {
      List<String> out = probe(List.of("-Dprobe.libtorch=" + order), null);
      long runtimes = out.stream().filter(line -> line.startsWith("openmp ")).count();
      assertEquals(Files.exists(Path.of("/proc/self/maps")) ? 1 : 0, runtimes, out::toString);
    }
  }

  @Test
  @Tag("native-kernels")
  void environmentIsTheOneNativeCodeSees() {
    assertTrue(ProcessEnvironment.set("PEFTJAVA_TEST_VARIABLE", "huge pages: \u00fc"));
    assertEquals(
        Optional.of("huge pages: \u00fc"), ProcessEnvironment.get("PEFTJAVA_TEST_VARIABLE"));
    assertEquals(Optional.empty(), ProcessEnvironment.get("PEFTJAVA_TEST_OTHER"));
    assertFalse(System.getenv().containsKey("PEFTJAVA_TEST_VARIABLE"));
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> ProcessEnvironment.set("A=B", "c"));
    assertEquals(
        "\"A=B\" cannot name an environment variable: it must be non-empty without '='.",
        e.getMessage());
  }

  /** The lines of {@link KernelProbe} in a JVM with these options. */
  private static List<String> probe(
      List<String> options, @org.jspecify.annotations.Nullable Path first) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(options);
    String classPath = System.getProperty("java.class.path");
    command.add("-cp");
    command.add(first == null ? classPath : first + java.io.File.pathSeparator + classPath);
    command.add(KernelProbe.class.getName());
    try {
      Process process =
          new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
      try (Stream<String> lines = process.inputReader().lines()) {
        List<String> result = lines.toList();
        assertEquals(0, process.waitFor(), result::toString);
        return result;
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
