package org.peftjava.peft.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A signal ends a run in order. */
class CancellationTest {
  /** Ctrl-C's signal may be ignored where tests run in the background, so this sends another. */
  private static final int TERMINATED = 128 + 15;

  @Test
  void aSignalEndsTheStepSavesAndLeaves(@TempDir Path folder)
      throws IOException, InterruptedException {
    TinyFolder tiny = new TinyFolder(folder);
    Path output = tiny.path("cancelled");
    Process process =
        new ProcessBuilder(
                List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-cp",
                    System.getProperty("java.class.path"),
                    "org.peftjava.peft.cli.Main",
                    "train",
                    "--model",
                    tiny.base().toString(),
                    "--data",
                    tiny.path("train.jsonl").toString(),
                    "--output",
                    output.toString(),
                    "--max-steps",
                    "1000000",
                    "--logging-steps",
                    "1",
                    "--threads",
                    "1"))
            .redirectErrorStream(true)
            .start();
    try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
      String line = lines.readLine();
      while (line != null && !line.startsWith("step 2/")) {
        line = lines.readLine();
      }
      process.toHandle().destroy(); // which, unlike Process.destroy, leaves the stream open
      String last = "";
      for (line = lines.readLine(); line != null; line = lines.readLine()) {
        last = line;
      }
      assertEquals("cancelled; the same command with --resume goes on", last);
    }
    assertTrue(process.waitFor(1, TimeUnit.MINUTES));
    assertEquals(TERMINATED, process.exitValue());
    assertTrue(Files.exists(output.resolve("adapter_model.safetensors")));
    String report = Files.readString(output.resolve("training.json"));
    assertTrue(report.contains("\"cancelled\" : true"), report);
    try (var entries = Files.list(output)) {
      assertEquals(1, entries.filter(path -> path.toString().contains("checkpoint-")).count());
    }
  }
}
