package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.CyclicBarrier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Buffers of threads that come and go. */
@ExtendWith(LedgerCheck.class)
class ScratchTest {
  private static final Scratch.Purpose PURPOSE = Scratch.Purpose.DROPPED;

  private static long address(long length) {
    try (TensorScope scope = TensorScope.open("outermost")) {
      try (TensorScope inner = TensorScope.open("inner")) {
        Scratch.floats(PURPOSE, length).fillInPlace(1);
      }
      Tensor again = Scratch.floats(PURPOSE, length);
      assertEquals(1, again.narrow(0, length - 1, 1).toDouble()); // still this thread's
      return again.address();
    }
  }

  private static void onAThread(Runnable code) throws InterruptedException {
    Thread thread = new Thread(code);
    thread.start();
    thread.join();
  }

  @Test
  void threadsOneAfterTheOtherHaveOneBuffer() throws InterruptedException {
    Set<Long> addresses = new HashSet<>();
    addresses.add(address(1000));
    for (int i = 0; i < 20; i++) {
      onAThread(() -> addresses.add(address(1000)));
    }
    assertEquals(1, addresses.size());
  }

  @Test
  void threadsAtOnceHaveTheirOwn() throws InterruptedException {
    long[] addresses = new long[2];
    CyclicBarrier both = new CyclicBarrier(2);
    Runnable other = () -> addresses[1] = held(both);
    Thread thread = new Thread(other);
    thread.start();
    addresses[0] = held(both);
    thread.join();
    assertNotEquals(addresses[0], addresses[1]);
  }

  private static long held(CyclicBarrier both) {
    try (TensorScope scope = TensorScope.open("outermost")) {
      long address = Scratch.floats(PURPOSE, 1000).address();
      both.await();
      return address;
    } catch (InterruptedException | java.util.concurrent.BrokenBarrierException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void aBurstOfThreadsLeavesAsManyAsThereAreProcessors() throws InterruptedException {
    int threads = Runtime.getRuntime().availableProcessors() + 6;
    CyclicBarrier all = new CyclicBarrier(threads);
    Thread[] burst = new Thread[threads];
    for (int i = 0; i < threads; i++) {
      burst[i] = new Thread(() -> held(all));
      burst[i].start();
    }
    for (Thread thread : burst) {
      thread.join();
    }
    assertTrue(
        Scratch.freeBuffers(PURPOSE) <= Math.max(2, Runtime.getRuntime().availableProcessors()));
  }
}
