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
    return start(List.of(), main, arguments);
  }

  /**
   * The same with nothing compiled but the library's own classes: the compiler's memory comes and
   * goes as it likes.
   */
  static Process startInterpreted(List<String> options, Class<?> main, String... arguments)
      throws IOException {
    List<String> all = new ArrayList<>(options);
    all.add("-XX:CompileCommand=quiet");
    for (String library : List.of("java", "jdk", "sun")) {
      all.add("-XX:CompileCommand=compileonly," + library + "/*.*");
    }
    return start(all, main, arguments);
  }

  private static Process start(List<String> options, Class<?> main, String... arguments)
      throws IOException {
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
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"));
    command.addAll(options);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    command.addAll(Arrays.asList(arguments));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("MALLOC_ARENA_MAX", "1");
    builder.environment().put("OMP_WAIT_POLICY", "PASSIVE");
    return builder.redirectErrorStream(true).start();
  }
}
