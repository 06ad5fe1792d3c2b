package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.cuda.CudaException;
import org.peftjava.torch.cuda.KernelCache;
import org.peftjava.torch.cuda.KernelSource;
import org.peftjava.torch.cuda.Nvrtc;

/**
 * Every kernel for every card that we name, compiled as on a user's machine, but without a card.
 */
@Tag("nvrtc")
class NvrtcTest {
  private static final Pattern ENTRY = Pattern.compile("\\.visible \\.entry (\\w+)\\(");
  private static final Nvrtc NVRTC = NvrtcWithoutDriver.get();

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(ints = {75, 80, 86, 89, 90, 100, 120})
  void compilesEveryKernel(int capability) {
    String architecture = NVRTC.architectureFor(capability);
    assertEquals("sm_" + capability, architecture);
    Set<String> missing = KernelNames.all();
    List<byte[]> compiled =
        KernelNames.sources().parallelStream()
            .map(source -> NVRTC.compile(source, architecture))
            .toList();
    int size = 0;
    for (byte[] code : compiled) {
      assertArrayEquals(new byte[] {0x7f, 'E', 'L', 'F'}, Arrays.copyOf(code, 4));
      String names = new String(code, StandardCharsets.ISO_8859_1);
      missing.removeIf(name -> names.contains(".text." + name + "\0"));
      size += code.length;
    }
    assertEquals(Set.of(), missing);
    System.out.printf(
        "nvrtc: %d kernels for %s, %d kB%n", KernelNames.all().size(), architecture, size / 1024);
  }

  /** PTX for cards that this NVRTC does not know yet, and no other kernels than the named ones. */
  @Test
  void makesPtxForNewerCards() {
    String architecture = NVRTC.architectureFor(999);
    assertTrue(architecture.startsWith("compute_"), architecture);
    Set<String> names = new TreeSet<>();
    for (KernelSource source : KernelNames.sources()) {
      byte[] ptx = NVRTC.compile(source, architecture);
      Matcher entries = ENTRY.matcher(new String(ptx, StandardCharsets.US_ASCII));
      while (entries.find()) {
        names.add(entries.group(1));
      }
    }
    assertEquals(KernelNames.all(), names);
  }

  @Test
  void showsTheCompilersLog() {
    KernelSource wrong =
        new KernelSource(
            "wrong.cu", "#include \"a.cuh\"\n__global__ void f() { g(1); }", Map.of("a.cuh", ""));
    String message =
        assertThrows(CudaException.class, () -> NVRTC.compile(wrong, "sm_80")).getMessage();
    assertTrue(message.contains("cannot compile wrong.cu for sm_80"), message);
    assertTrue(message.contains("wrong.cu(2): error: identifier \"g\" is undefined"), message);
  }

  @Test
  void tooOldCardsAreNamed() {
    String message =
        assertThrows(CudaException.class, () -> NVRTC.architectureFor(52)).getMessage();
    assertTrue(message.startsWith("The card has compute capability 5.2;"), message);
  }

  /** What comes from the cache is what was compiled. */
  @Test
  void fillsTheCache() {
    KernelCache cache = new KernelCache(folder.resolve("cuda"));
    KernelSource small =
        new KernelSource("small.cu", "extern \"C\" __global__ void f() {}", Map.of());
    byte[] first = cache.get(small, "sm_90", NVRTC);
    assertArrayEquals(first, cache.get(small, "sm_90", NVRTC));
    assertEquals(1, List.of(folder.resolve("cuda").toFile().list()).size());
  }
}
