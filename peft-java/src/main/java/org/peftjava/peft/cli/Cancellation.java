package org.peftjava.peft.cli;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Lets Ctrl-C end work in order: the process waits until this is closed before it goes.
 *
 * <p>The JVM answers Ctrl-C by shutting down, with exit code 130; a shutdown hook passes the wish
 * on and holds the shutdown until the work has saved what it has.
 */
final class Cancellation implements AutoCloseable {
  private static final long LONGEST_WAIT_MINUTES = 30;

  private final CountDownLatch done = new CountDownLatch(1);
  private final Thread hook;

  Cancellation(Runnable cancel) {
    hook =
        new Thread(
            () -> {
              cancel.run();
              awaitDone();
            },
            "peft-cancel");
    Runtime.getRuntime().addShutdownHook(hook);
  }

  private void awaitDone() {
    try {
      if (!done.await(LONGEST_WAIT_MINUTES, TimeUnit.MINUTES)) {
        return; // stuck: let the process go
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      done.countDown(); // shutting down already: the hook is waiting for this
    }
  }
}
