package org.peftjava.transformers.hub;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.peftjava.transformers.hub.HubException.Reason;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Five threads that read and send files, as many as Python's; closing ends what still runs, and
 * waits.
 */
final class UploadThreads implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(UploadThreads.class);
  private static final int THREADS = 5;
  private static final int LAST_SECONDS = 10;

  private final ExecutorService threads =
      Executors.newFixedThreadPool(
          THREADS,
          task -> {
            Thread thread = new Thread(task, "hub upload");
            thread.setDaemon(true);
            return thread;
          });

  /** Begins tasks; the supplier waits for their results and throws what one of them threw. */
  <T> Supplier<List<T>> submit(List<Callable<T>> tasks) {
    List<Future<T>> futures = tasks.stream().map(threads::submit).toList();
    return () -> {
      List<T> results = new ArrayList<>();
      for (Future<T> future : futures) {
        results.add(await(future));
      }
      return results;
    };
  }

  private static <T> T await(Future<T> future) {
    try {
      return future.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw new IllegalStateException(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new HubException(Reason.UNAVAILABLE, "Interrupted while uploading.", e);
    }
  }

  @Override
  public void close() {
    threads.shutdownNow();
    try {
      if (!threads.awaitTermination(LAST_SECONDS, TimeUnit.SECONDS)) {
        LOG.warn("An upload that was given up still runs.");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
