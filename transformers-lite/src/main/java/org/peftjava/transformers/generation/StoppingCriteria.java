package org.peftjava.transformers.generation;

import java.util.function.BooleanSupplier;

/**
 * Decides after each step which rows have ended; Python's class of the same name. Give your own to
 * {@link GenerateOptions}.
 */
@FunctionalInterface
public interface StoppingCriteria {
  /** Whether a row has ended with its newest token. */
  boolean isDone(InputIds inputIds, int row);

  /** Ends all rows this many seconds after now. */
  static StoppingCriteria maxTime(double seconds) {
    long begin = System.nanoTime();
    return (ids, row) -> System.nanoTime() - begin > seconds * 1e9;
  }

  /** Ends all rows when the flag is set, by whichever thread; what there is so far is returned. */
  static StoppingCriteria cancelledBy(BooleanSupplier cancelled) {
    return (ids, row) -> cancelled.getAsBoolean();
  }
}
