package org.peftjava.torch.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Passes together, changes alone. */
@Timeout(60)
class PassGateTest {
  private final PassGate gate = new PassGate();
  private final List<String> events = Collections.synchronizedList(new ArrayList<>());

  /** A thread that runs code and says when it waits. */
  private static Thread start(Runnable code) {
    Thread thread = new Thread(code, "other");
    thread.setDaemon(true);
    thread.start();
    return thread;
  }

  private static void untilItWaits(Thread thread) throws InterruptedException {
    while (thread.getState() != Thread.State.WAITING) {
      assertTrue(thread.isAlive());
      Thread.sleep(1);
    }
  }

  private static String refused(Runnable change) {
    return assertThrows(IllegalStateException.class, change::run).getMessage();
  }

  @Test
  void noChangeWithinAPassOfItsOwn() {
    try (PassGate.Use outer = gate.pass();
        PassGate.Use inner = gate.pass()) {
      inner.close();
      inner.close();
      assertTrue(refused(() -> gate.change("merge")).startsWith("Cannot merge while a forward"));
      assertTrue(refused(() -> gate.addition("add")).startsWith("Cannot add while a forward"));
      assertTrue(refused(() -> gate.end("close")).startsWith("Cannot close while a forward"));
    }
    gate.change("merge").close();
  }

  @Test
  void aGenerationMayChangeBetweenItsPassesAndNobodyElse() throws InterruptedException {
    PassGate.Use generation = gate.generation();
    try (PassGate.Use change = gate.change("disable");
        PassGate.Use nested = gate.change("unmerge");
        PassGate.Use pass = gate.pass()) {
      events.add("changed");
    }
    Thread other =
        start(
            () -> {
              events.add(refused(() -> gate.change("activate")));
              gate.addition("add").close();
              events.add("added");
            });
    other.join();
    generation.close();
    assertEquals("changed", events.get(0));
    assertTrue(
        events.get(1).startsWith("Cannot activate while a generation runs on thread "),
        events.get(1));
    assertEquals("added", events.get(2));
  }

  @Test
  void theEndWaitsForPassesOfOthersAndLetsNoNewOneIn() throws InterruptedException {
    PassGate.Use pass = gate.pass();
    Thread end =
        start(
            () -> {
              try (PassGate.Use all = gate.end("close")) {
                events.add("end");
              }
            });
    untilItWaits(end);
    Thread late =
        start(
            () -> {
              try (PassGate.Use own = gate.pass()) {
                events.add("late pass");
              }
            });
    untilItWaits(late);
    try (PassGate.Use nested = gate.pass()) {
      events.add("nested pass");
    }
    assertEquals(List.of("nested pass"), events);
    pass.close();
    end.join();
    late.join();
    assertEquals(List.of("nested pass", "end", "late pass"), events);
  }

  @Test
  void aPassWaitsForAChangeAndKeepsAnInterrupt() throws InterruptedException {
    PassGate.Use change = gate.change("merge");
    CountDownLatch interrupted = new CountDownLatch(1);
    Thread pass =
        start(
            () -> {
              try (PassGate.Use own = gate.pass()) {
                events.add("pass");
                assertTrue(Thread.currentThread().isInterrupted());
                interrupted.countDown();
              }
            });
    untilItWaits(pass);
    pass.interrupt();
    Thread.sleep(5);
    assertTrue(events.isEmpty());
    change.close();
    interrupted.await();
    pass.join();
  }

  @Test
  void changesOfTwoThreadsTakeTurns() throws InterruptedException {
    int[] total = new int[1];
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      threads.add(
          start(
              () -> {
                for (int n = 0; n < 200; n++) {
                  try (PassGate.Use alone = gate.addition("add")) {
                    int before = total[0];
                    Thread.onSpinWait();
                    total[0] = before + 1;
                  }
                  gate.pass().close();
                }
              }));
    }
    for (Thread thread : threads) {
      thread.join();
    }
    assertEquals(800, total[0]);
    assertFalse(Thread.currentThread().isInterrupted());
    gate.change("merge").close();
  }
}
