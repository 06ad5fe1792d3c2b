package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
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
            case AVX512, AVX512_VNNI, AMX -> 16;
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

  /** JavaCPP's own limits cost time at every allocation; whoever loads a library first decides. */
  @Test
  @Tag("native-kernels")
  void loadingLeavesJavacppWithoutLimits() {
    assertTrue(probe(List.of(), null).contains("limit 0"));
    assertTrue(
        probe(List.of("-Dorg.bytedeco.javacpp.maxPhysicalBytes=7g"), null)
            .contains("limit " + (7L << 30)));
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

  /** What a build without a compiler leaves: the classes alone. */
  @Test
  void libraryThatWasNotBuiltIsOnlyLogged(@TempDir Path classes) throws Exception {
    String folder = "org/peftjava/torch/kernels";
    Path built =
        Path.of(NativeKernels.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    Files.createDirectories(classes.resolve(folder));
    try (Stream<Path> files = Files.list(built.resolve(folder))) {
      for (Path file : (Iterable<Path>) files.filter(Files::isRegularFile)::iterator) {
        Files.copy(file, classes.resolve(folder).resolve(file.getFileName()));
      }
    }
    String classPath =
        System.getProperty("java.class.path").replace(built.toString(), classes.toString());
    List<String> out = run(List.of(), classPath);
    assertEquals("false native kernels not built: no C++ compiler found", out.get(0));
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

  /** The lines of {@link KernelProbe} in a JVM with these options, perhaps with a folder first. */
  private static List<String> probe(List<String> options, @Nullable Path first) {
    String classPath = System.getProperty("java.class.path");
    return run(options, first == null ? classPath : first + File.pathSeparator + classPath);
  }

  private static List<String> run(List<String> options, String classPath) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(options);
    command.addAll(List.of("-cp", classPath, KernelProbe.class.getName()));
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
