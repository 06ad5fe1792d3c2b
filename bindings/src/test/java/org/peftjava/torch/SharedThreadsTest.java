package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.torch.runtime.NativeRuntime;

/**
 * BLAS jobs wait for each other, so a pool that runs them one after the other would hang: large
 * products from several threads at once, in a JVM whose OpenMP may and may not give threads.
 */
class SharedThreadsTest {
  private static final int SIZE = 384;

  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource({"OMP_THREAD_LIMIT, 1", "OMP_THREAD_LIMIT, 64", "OMP_DYNAMIC, true"})
  void productsFromManyThreadsEnd(String variable, String value)
      throws IOException, InterruptedException {
    ProcessBuilder builder =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Products.class.getName())
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("output").toFile());
    builder.environment().put(variable, value);
    Process process = builder.start();
    boolean ended = process.waitFor(100, TimeUnit.SECONDS);
    if (!ended) {
      process.destroyForcibly().waitFor();
    }
    String output = Files.readString(folder.resolve("output"));
    assertTrue(ended, "still running: " + output);
    assertEquals(0, process.waitFor(), output);
    assertTrue(output.contains("4 threads agree"), output);
  }

  /** The child. */
  static final class Products {
    private Products() {}

    public static void main(String[] args) {
      NativeRuntime.setThreads(Math.max(2, NativeRuntime.threads()));
      double[] sums = IntStream.range(0, 4).parallel().mapToDouble(i -> sum()).toArray();
      for (double sum : sums) {
        // rows of x sum to 0 + 1 + ... + (SIZE - 1), and the other factor is all 2
        double expected = 2.0 * SIZE * SIZE * (SIZE * (SIZE - 1) / 2.0);
        if (Math.abs(sum / expected - 1) > 1e-4) {
          throw new AssertionError(sum + ", expected " + expected);
        }
      }
      System.out.println(sums.length + " threads agree");
    }

    private static double sum() {
      double last = 0;
      for (int i = 0; i < 20; i++) {
        try (TensorScope scope = TensorScope.open("products")) {
          Tensor row = Creation.arange(0, SIZE, Device.CPU).to(DType.FLOAT32);
          Tensor x = row.reshape(1, SIZE).expand(SIZE, SIZE).contiguous();
          last = x.matmul(Creation.full(DType.FLOAT32, 2, SIZE, SIZE)).sum().toDouble();
        }
      }
      return last;
    }
  }
}
