package org.peftjava.torch.cuda;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;

/**
 * Stands in for the recorder of a device where there is none, in tests: what it records does not
 * run then, as on a card, but all of it runs again at each replay.
 */
public final class RepeatingRecorder implements StepRecorder {
  private final AtomicInteger recorded = new AtomicInteger();
  private final AtomicInteger replayed = new AtomicInteger();
  private final AtomicInteger open = new AtomicInteger();

  /** Nothing recorded yet. */
  public RepeatingRecorder() {}

  @Override
  public void rehearse(Runnable work) {
    work.run();
  }

  @Override
  public Recording record(Runnable work) {
    recorded.incrementAndGet();
    open.incrementAndGet();
    return new Recording() {
      @Override
      public <T> T replay(Supplier<T> result) {
        replayed.incrementAndGet();
        work.run();
        return result.get();
      }

      @Override
      public void close() {
        open.decrementAndGet();
      }
    };
  }

  /** How much work was recorded. */
  public int recorded() {
    return recorded.get();
  }

  /** How often recorded work ran. */
  public int replayed() {
    return replayed.get();
  }

  /** How many recordings are not closed. */
  public int open() {
    return open.get();
  }
}
