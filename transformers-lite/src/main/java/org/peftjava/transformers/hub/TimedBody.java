package org.peftjava.transformers.hub;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.peftjava.transformers.hub.HubException.Reason;

/**
 * The body of an answer, of which every part must arrive in time: {@code HttpClient} waits for
 * ever.
 */
final class TimedBody implements AutoCloseable {
  private static final ScheduledExecutorService WATCH =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            Thread thread = new Thread(task, "hub download watch");
            thread.setDaemon(true);
            return thread;
          });

  private final InputStream body;
  private final Duration timeout;
  private final ScheduledFuture<?> watch;
  private volatile long waitingSince = Long.MAX_VALUE; // System.nanoTime(), or nobody waits
  private volatile boolean timedOut;

  TimedBody(InputStream body, Duration timeout) {
    this.body = body;
    this.timeout = timeout;
    long period = Math.max(1, timeout.toMillis() / 4);
    watch = WATCH.scheduleWithFixedDelay(this::check, period, period, TimeUnit.MILLISECONDS);
  }

  /** Reads all of a body that has at most {@code limit} bytes. */
  static byte[] readAll(InputStream body, Duration timeout, int limit, URI uri) {
    try (TimedBody timed = new TimedBody(body, timeout)) {
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      byte[] chunk = new byte[1 << 16];
      for (int count = timed.read(chunk); count >= 0; count = timed.read(chunk)) {
        if (count > limit - out.size()) {
          throw new HubException(
              Reason.INVALID_ANSWER,
              "The answer of " + uri + " has more than " + limit + " bytes and is not read.");
        }
        out.write(chunk, 0, count);
      }
      return out.toByteArray();
    } catch (IOException e) {
      throw HubHttp.unreachable(uri, e);
    }
  }

  /** Reads some bytes, or -1 at the end. */
  int read(byte[] buffer) throws IOException {
    waitingSince = System.nanoTime();
    try {
      int count = body.read(buffer);
      if (timedOut) {
        throw new HttpTimeoutException("no data for " + timeout.toMillis() + " ms");
      }
      return count;
    } catch (IOException e) {
      if (timedOut) {
        throw new HttpTimeoutException("no data for " + timeout.toMillis() + " ms");
      }
      throw e;
    } finally {
      waitingSince = Long.MAX_VALUE;
    }
  }

  /** Closing the stream wakes up its reader. */
  private void check() {
    long since = waitingSince;
    if (since != Long.MAX_VALUE && System.nanoTime() - since > timeout.toNanos()) {
      timedOut = true;
      try {
        body.close();
      } catch (IOException e) {
        timedOut = true; // the reader is told in any case
      }
    }
  }

  @Override
  public void close() throws IOException {
    watch.cancel(false);
    body.close();
  }
}
