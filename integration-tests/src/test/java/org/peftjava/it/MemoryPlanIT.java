package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What a plan says of a step's peak is what a process of its own measures, within 10 %. */
class MemoryPlanIT {
  private static final double TOLERANCE = 0.1;

  @TempDir Path folder;

  static List<String> names() {
    return PlanChild.names();
  }

  @ParameterizedTest
  @MethodSource("names")
  void plansMeetMeasuredPeaks(String name) throws IOException, InterruptedException {
    Process child = ChildJvm.start(PlanChild.class, folder.toString(), name);
    List<String> output = child.inputReader().lines().toList();
    assertEquals(0, child.waitFor(), () -> String.join("\n", output));
    List<String> numbers = List.of(output.get(output.size() - 1).split(" ", -1));
    double planned = Double.parseDouble(numbers.get(0));
    double measured = Double.parseDouble(numbers.get(1));
    assertEquals(1, planned / measured, TOLERANCE, () -> String.join("\n", output));
  }
}
