package org.peftjava.torch.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/** Kernels on a card: compiled, kept, loaded, in the order of libtorch's work. */
@Tag("gpu")
class DeviceLauncherTest {
  private static final Device CARD = Device.cuda(0);
  private static final KernelSource SOURCE =
      new KernelSource(
          "affine.cu",
          "extern \"C\" __global__ void affine(const float* x, float* y, long long n, float a,"
              + " const float* table) {\n"
              + "  long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;\n"
              + "  if (i < n) y[i] = a * x[i] + table[i % 3];\n"
              + "}\n"
              + "struct Table { long long numbers[448]; };\n"
              + "extern \"C\" __global__ void set(const __grid_constant__ Table table, int entries,"
              + " float a) {\n"
              + "  for (int i = 0; i < entries; i++)\n"
              + "    if (table.numbers[3 * i] == blockIdx.x)\n"
              + "      *(float*)table.numbers[3 * i + 1] = a * (float)table.numbers[3 * i + 2];\n"
              + "}\n",
          Map.of());

  @TempDir Path folder;
  private TensorScope scope;

  @BeforeEach
  void open() {
    scope = TensorScope.open("test");
  }

  @AfterEach
  void close() {
    scope.close();
  }

  private DeviceLauncher launcher() {
    return new DeviceLauncher(0, List.of(SOURCE), new Nvrtc(), new KernelCache(cache()));
  }

  private Path cache() {
    return folder.resolve("cuda");
  }

  /** What libtorch computes before is read, what it computes after reads what was written. */
  private static void assertWorks(KernelLauncher launcher) {
    long n = 1 << 20;
    Tensor host = Creation.randn(DType.FLOAT32, n);
    Tensor x = host.to(CARD).mul(3).add(1);
    Tensor y = Creation.empty(DType.FLOAT32, CARD, n);
    launcher.launch(
        "affine",
        LaunchGrid.over(n, 1, 256),
        x.address(),
        y.address(),
        n,
        KernelLauncher.argument(2),
        launcher.table(1, 2, 3));
    float[] actual = y.mul(10).toFloats();
    float[] start = host.toFloats();
    for (int i = 0; i < n; i += 997) {
      assertEquals(10 * (2 * (3 * start[i] + 1) + 1 + i % 3), actual[i], 1e-3, "at " + i);
    }
  }

  @Test
  void runsInTheOrderOfTheOtherWork() {
    assertWorks(launcher());
  }

  /** More entries than one launch takes. */
  @Test
  void takesTables() {
    long n = 200;
    Tensor y = Creation.zeros(DType.FLOAT32, CARD, n);
    KernelTable table = new KernelTable(2);
    for (int i = 0; i < n; i++) {
      table.add(1, y.address() + 4L * i, i);
    }
    table.launch(launcher(), "set", 32, KernelLauncher.argument(0.5));
    float[] actual = y.toFloats();
    for (int i = 0; i < n; i++) {
      assertEquals(0.5f * i, actual[i]);
    }
  }

  /** The second launcher compiles nothing; one that finds a damaged file compiles again. */
  @Test
  void usesTheCache() throws IOException {
    assertWorks(launcher());
    Path file;
    try (Stream<Path> files = Files.list(cache())) {
      file = files.findFirst().orElseThrow();
    }
    byte[] sound = Files.readAllBytes(file);
    assertWorks(launcher());
    Files.write(file, new byte[] {1, 2, 3});
    assertWorks(launcher());
    assertArrayEquals(sound, Files.readAllBytes(file));
  }

  @Test
  void servesManyThreads() throws InterruptedException, ExecutionException {
    DeviceLauncher launcher = launcher();
    ExecutorService threads = Executors.newFixedThreadPool(4);
    try {
      List<Future<?>> all =
          Stream.<Runnable>generate(
                  () ->
                      () -> {
                        try (TensorScope own = TensorScope.open("thread")) {
                          assertWorks(launcher);
                        }
                      })
              .limit(16)
              .<Future<?>>map(threads::submit)
              .toList();
      for (Future<?> one : all) {
        one.get();
      }
    } finally {
      threads.shutdown();
    }
  }

  @Test
  void errorsNameWhatIsWrong() {
    String message =
        assertThrows(CudaException.class, () -> launcher().launch("none", new LaunchGrid(1, 32), 1))
            .getMessage();
    assertEquals("There is no kernel none in [affine.cu].", message);
    KernelSource wrong = new KernelSource("wrong.cu", "int f() { return g; }", Map.of());
    message =
        assertThrows(
                CudaException.class,
                () -> new DeviceLauncher(0, List.of(wrong), new Nvrtc(), new KernelCache(null)))
            .getMessage();
    assertTrue(message.contains("identifier \"g\" is undefined"), message);
  }

  @Test
  void countsMemory() {
    Cards.synchronize(0);
    long before = Cards.allocatedBytes(0);
    Cards.resetPeak(0);
    try (TensorScope inner = TensorScope.open("inner")) {
      Creation.zeros(DType.FLOAT32, CARD, 1 << 22);
      assertEquals(before + (1 << 24), Cards.allocatedBytes(0));
    }
    assertEquals(before, Cards.allocatedBytes(0));
    assertEquals(before + (1 << 24), Cards.peakBytes(0));
  }
}
