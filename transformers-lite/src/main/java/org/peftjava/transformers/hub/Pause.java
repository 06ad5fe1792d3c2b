package org.peftjava.transformers.hub;

import java.time.Duration;
import org.peftjava.transformers.hub.HubException.Reason;

/** Waits between attempts; tests count instead. */
@FunctionalInterface
interface Pause {
  /** Attempts after the first, as in {@code huggingface_hub/utils/_http.py::http_backoff}. */
  int RETRIES = 5;

  /** Longest wait that a server may ask for. */
  Duration LONGEST = Duration.ofMinutes(2);

  /** Waits. */
  void pause(Duration duration);

  /** Waits on this thread. */
  static void sleep(Duration duration) {
    try {
      Thread.sleep(duration.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new HubException(
          Reason.UNAVAILABLE, "Interrupted while waiting to ask the hub again.", e);
    }
  }

  /** 1, 2, 4, 8, 8, ... seconds. */
  static Duration backOff(int failures) {
    return Duration.ofSeconds(1L << Math.min(failures - 1, 3));
  }
}
