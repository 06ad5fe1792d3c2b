package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Gradients leave nothing behind, counted in tensors and in the bytes of the process. The heap is
 * small and wholly resident from the start, so that what grows is native memory. One tensor of the
 * probe has 16 KiB: leaked in every call it would be 31 MiB and more.
 */
class FlatMemoryTest {
  private static final long MEBIBYTE = 1 << 20;

  @Test
  void memoryStaysFlat() throws IOException, InterruptedException {
    ProcessBuilder builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xms48m",
            "-Xmx48m",
            "-XX:+AlwaysPreTouch",
            "-XX:+UseSerialGC",
            "-Dpeftjava.strict=true",
            "-cp",
            System.getProperty("java.class.path"),
            MemoryProbe.class.getName());
    builder.environment().put("MALLOC_ARENA_MAX", "1");
    Process process = builder.redirectErrorStream(true).start();
    List<String> out = process.inputReader().lines().toList();
    assertEquals(0, process.waitFor(), () -> String.join(File.pathSeparator, out));
    List<String[]> rows =
        out.stream().map(line -> line.split(" ")).filter(row -> row.length == 3).toList();
    assertEquals(4, rows.size(), out::toString);
    for (String[] row : rows) {
      assertEquals("0", row[1], () -> row[0] + ": tensors more");
      assertTrue(Long.parseLong(row[2]) < 8 * MEBIBYTE, () -> row[0] + ": bytes more " + row[2]);
    }
  }
}
