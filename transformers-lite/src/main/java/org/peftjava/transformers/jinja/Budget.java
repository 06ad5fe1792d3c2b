package org.peftjava.transformers.jinja;

/**
 * What one rendering may use. Templates come with models from anywhere, so one that never ends or
 * that grows without end is stopped.
 */
final class Budget {
  /** Longest text or list, and longest output, in chars or elements. */
  static final int MAX_LENGTH = 16_000_000;

  private static final long MAX_STEPS = 5_000_000;
  private static final long MAX_WORK = 100_000_000; // chars and elements made in total
  private static final long MAX_NANOS = 10_000_000_000L;
  private static final int MAX_DEPTH = 100;
  private static final int STEPS_PER_LOOK = 256;

  private final long start = System.nanoTime();
  private long steps;
  private long work;
  private int depth;

  /** Counts one operation. */
  void step() {
    steps++;
    if (steps > MAX_STEPS) {
      throw new JinjaException("it takes more than " + MAX_STEPS + " steps");
    }
    if (steps % STEPS_PER_LOOK == 0 && System.nanoTime() - start > MAX_NANOS) {
      throw new JinjaException("it takes longer than " + MAX_NANOS / 1_000_000_000 + " seconds");
    }
  }

  /** Counts the chars or elements of a value before it is made. */
  void make(long length) {
    step();
    work += Math.max(0, length);
    if (length > MAX_LENGTH || work > MAX_WORK) {
      throw new JinjaException("its texts or lists are longer than " + MAX_LENGTH);
    }
  }

  /** Begins a call of a macro. */
  void enter() {
    depth++;
    if (depth > MAX_DEPTH) {
      throw new JinjaException("its macros call each other more than " + MAX_DEPTH + " deep");
    }
  }

  /** Ends a call of a macro. */
  void leave() {
    depth--;
  }
}
