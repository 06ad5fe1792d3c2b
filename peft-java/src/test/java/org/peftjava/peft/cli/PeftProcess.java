package org.peftjava.peft.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** One call of the command line: exit code and what it printed. */
record PeftProcess(int exitCode, String out, String err) {
  static final Path DEMO = Path.of("src/main/resources/org/peftjava/demo");

  /** Runs a command in a JVM of its own, with these environment variables besides. */
  static PeftProcess inChild(Map<String, String> environment, Object... args) {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName()));
    Arrays.stream(args).map(Object::toString).forEach(command::add);
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().keySet().removeIf(name -> name.startsWith("HF_"));
    builder.environment().putAll(environment);
    try {
      Path err = Files.createTempFile("peft", ".err");
      Process child = builder.redirectError(err.toFile()).start();
      String out = new String(child.getInputStream().readAllBytes(), Charset.defaultCharset());
      PeftProcess result =
          new PeftProcess(child.waitFor(), out, Files.readString(err, Charset.defaultCharset()));
      Files.delete(err);
      return result;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  /** Runs a command inside the test's JVM; every argument's text form is passed. */
  static PeftProcess run(Object... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    String[] texts = Arrays.stream(args).map(Object::toString).toArray(String[]::new);
    int code = Main.run(new PrintWriter(out, true), new PrintWriter(err, true), texts);
    return new PeftProcess(code, out.toString(), err.toString());
  }

  /** The same, which must succeed. */
  static PeftProcess ok(Object... args) {
    PeftProcess result = run(Stream.concat(Arrays.stream(args), Stream.of("--debug")).toArray());
    if (result.exitCode != ExitCode.OK) {
      throw new AssertionError(Arrays.toString(args) + " failed: " + result);
    }
    return result;
  }
}
