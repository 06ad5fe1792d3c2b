package org.peftjava.transformers.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.Randomness;

class TrainingSnapshotTest {
  @TempDir private Path folder;

  private static TrainingSnapshot snapshot(List<byte[]> cards) {
    Randomness.State random = new Randomness.State(-3, 5, new byte[] {7, 0, -1}, cards);
    return new TrainingSnapshot(
        "run", random, 1.5f, 2.25, 4, Map.of("best", 0.5), Map.of("seed", "42"));
  }

  /** The generators of all cards come back, each with its own state. */
  @Test
  void whatIsWrittenIsRead() {
    snapshot(List.of(new byte[] {1, 2}, new byte[] {3, 4, 5})).write(folder);
    TrainingSnapshot read = TrainingSnapshot.read(folder);
    assertEquals("run", read.runId());
    assertEquals(-3, read.random().seed());
    assertEquals(5, read.random().counter());
    assertArrayEquals(new byte[] {7, 0, -1}, read.random().generator());
    assertEquals(2, read.random().cards().size());
    assertArrayEquals(new byte[] {1, 2}, read.random().cards().get(0));
    assertArrayEquals(new byte[] {3, 4, 5}, read.random().cards().get(1));
    assertEquals(1.5f, read.unloggedLoss());
    assertEquals(2.25, read.loggedLoss());
    assertEquals(4, read.loggedStep());
    assertEquals(Map.of("best", 0.5), read.schedule());
    assertEquals(Map.of("seed", "42"), read.dataOrder());
  }

  @Test
  void withoutCardsThereAreNoStatesOfCards() {
    snapshot(List.of()).write(folder);
    assertEquals(List.of(), TrainingSnapshot.read(folder).random().cards());
    assertTrue(TrainingSnapshot.isOfRun(folder, "run"));
  }

  @Test
  void aDamagedFileIsNamed() throws IOException {
    Files.write(folder.resolve(TrainingSnapshot.FILE), new byte[] {1, 2, 3});
    IllegalArgumentException error =
        assertThrows(IllegalArgumentException.class, () -> TrainingSnapshot.read(folder));
    assertTrue(
        error.getMessage().contains(TrainingSnapshot.FILE + " is damaged"), () -> "" + error);
  }
}
