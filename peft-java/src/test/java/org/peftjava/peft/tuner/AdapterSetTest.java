package org.peftjava.peft.tuner;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class AdapterSetTest {
  private final AdapterSet set = new AdapterSet();

  @Test
  void namesAreUniqueAndFitIntoParameterNames() {
    set.add("a");
    for (String name : List.of("a", "", "a.b")) {
      assertThrows(IllegalArgumentException.class, () -> set.add(name), name);
    }
    assertEquals(List.of("a"), set.names());
  }

  @Test
  void onlyKnownAdaptersAct() {
    set.add("a");
    set.add("b");
    assertEquals(List.of(), set.active());
    set.activate(List.of("b", "a", "b"));
    assertEquals(List.of("b", "a"), set.active());
    assertThrows(IllegalArgumentException.class, () -> set.activate(List.of("c")));
    set.remove("b");
    assertEquals(List.of("a"), set.active());
  }

  @Test
  void nothingChangesWhileAForwardPassRuns() {
    set.add("a");
    try (AdapterSet.Running first = set.run();
        AdapterSet.Running second = set.run()) {
      assertThrows(IllegalStateException.class, () -> set.activate(List.of("a")));
      assertThrows(IllegalStateException.class, () -> set.enable(false));
      assertThrows(IllegalStateException.class, () -> set.remove("a"));
      assertThrows(IllegalStateException.class, () -> set.add("b"));
    }
    assertTrue(set.isEnabled());
    set.enable(false);
    assertFalse(set.isEnabled());
  }

  @Test
  void mergedAdaptersCannotBeRemoved() {
    set.add("a");
    set.markMerged("a");
    assertThrows(IllegalStateException.class, () -> set.remove("a"));
    set.markUnmerged("a");
    set.remove("a");
    assertEquals(List.of(), set.names());
  }
}
