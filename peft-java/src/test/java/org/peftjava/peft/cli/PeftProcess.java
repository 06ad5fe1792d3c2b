package org.peftjava.peft.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;

/** One call of the command line inside the test's JVM: exit code and what it printed. */
record PeftProcess(int exitCode, String out, String err) {
  static final Path DEMO = Path.of("src/main/resources/org/peftjava/demo");

  /** Runs a command; every argument's text form is passed. */
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
