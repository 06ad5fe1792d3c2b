package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/**
 * Two thousand training steps leave the process as it was, also when every hundredth step fails in
 * the forward pass, in the backward pass and after the step. Runs in processes of their own, whose
 * heap does not grow. What leaks grows with every hundred steps: the graph of one step holds about
 * 1 MiB, and 1 KiB a step would be 100 KiB. What the runtime compiles late grows once.
 */
class SoakIT {
  private static final Pattern SAMPLE = Pattern.compile("(\\d+) (\\d+) (\\d+)");
  private static final long KIBIBYTE = 1 << 10;

  private record Sample(int step, long liveTensors, long bytes) {}

  @Test
  void memoryStaysFlat() throws IOException, InterruptedException {
    Process steady = ChildJvm.start(SoakRun.class, "steady");
    Process failing = ChildJvm.start(SoakRun.class, "failing"); // beside it: one core each
    try {
      assertFlat(steady);
      assertFlat(failing);
    } finally {
      steady.destroyForcibly();
      failing.destroyForcibly();
    }
  }

  private static void assertFlat(Process process) throws IOException, InterruptedException {
    List<String> output = process.inputReader().lines().toList();
    assertEquals(0, process.waitFor(), () -> String.join("\n", output));
    List<Sample> samples =
        output.stream()
            .map(SAMPLE::matcher)
            .filter(Matcher::matches)
            .map(
                match ->
                    new Sample(
                        Integer.parseInt(match.group(1)),
                        Long.parseLong(match.group(2)),
                        Long.parseLong(match.group(3))))
            .toList();
    assertEquals(SoakRun.STEPS / SoakRun.PERIOD, samples.size());
    long live = samples.get(0).liveTensors();
    samples.forEach(sample -> assertEquals(live, sample.liveTensors(), output::toString));
    assertEquals("end 0", output.get(output.size() - 1));
    long[] growth =
        IntStream.range(samples.size() / 2, samples.size())
            .mapToLong(i -> samples.get(i).bytes() - samples.get(i - 1).bytes())
            .sorted()
            .toArray();
    assertTrue(growth[growth.length / 2] < 100 * KIBIBYTE, () -> "steady growth: " + samples);
    assertTrue(LongStream.of(growth).sum() < 32 * 1024 * KIBIBYTE, samples::toString);
  }
}
