package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A process that is killed while it saves over an older version leaves a folder that loads, and is
 * wholly the one version or wholly the other.
 */
@ExtendWith(NoLeaks.class)
class KilledSaveIT {
  private static final int KILLS = 5;

  @ParameterizedTest
  @ValueSource(strings = {SavedVersions.ADAPTER, SavedVersions.MODEL})
  void theFolderIsOneOfTheVersions(String kind, @TempDir Path folder)
      throws IOException, InterruptedException {
    Path versions = folder.resolve("versions");
    Path target = folder.resolve("target");
    SavedVersions.write(kind, versions);
    List<Float> first = SavedVersions.result(kind, versions, versions.resolve("first"));
    List<Float> second = SavedVersions.result(kind, versions, versions.resolve("second"));
    assertNotEquals(first, second);
    Set<String> complete = names(versions.resolve("first"));
    SplittableRandom random = new SplittableRandom();
    for (int kill = 0; kill < KILLS; kill++) {
      int delay = random.nextInt(120);
      Process child =
          ChildJvm.start(SavingChild.class, kind, versions.toString(), target.toString());
      try (BufferedReader output = child.inputReader()) {
        String line = output.readLine();
        while (line != null && !line.equals("ready")) {
          line = output.readLine();
        }
        assertEquals("ready", line, "the child ended too early");
        Thread.sleep(delay);
      } finally {
        child.destroyForcibly().waitFor();
      }
      assertNotEquals(0, child.exitValue(), "the child was to be killed");
      List<Float> result = SavedVersions.result(kind, versions, target);
      assertTrue(
          result.equals(first) || result.equals(second),
          () -> "killed after " + delay + " ms: neither version but " + result);
      assertEquals(complete, names(target));
    }
  }

  /** Files of a folder but those that a killed writer may leave. */
  private static Set<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      Set<String> names = new TreeSet<>();
      files.forEach(file -> names.add(file.getFileName().toString()));
      names.removeIf(name -> name.startsWith(".") && name.endsWith(".tmp"));
      return names;
    }
  }
}
