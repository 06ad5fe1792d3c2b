package org.peftjava.it;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Starts a class of the tests in a process of its own, which can be measured or killed. */
final class ChildJvm {
  private ChildJvm() {}

  /** Starts {@code main}; the heap is small and wholly resident, so that what grows is native. */
  static Process start(Class<?> main, String... arguments) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xms96m",
                "-Xmx96m",
                "-XX:+AlwaysPreTouch",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1", // the optimizing compiler takes memory of its own
                "-Dpeftjava.strict=true",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
                "-cp",
                System.getProperty("java.class.path"),
                main.getName()));
    command.addAll(Arrays.asList(arguments));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("MALLOC_ARENA_MAX", "1");
    builder.environment().put("OMP_WAIT_POLICY", "PASSIVE");
    return builder.redirectErrorStream(true).start();
  }
}
