package org.peftjava.torch.nn;

import java.util.HashMap;
import java.util.Map;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Who uses the weights of a model now: passes of any number of threads at once, or one change.
 *
 * <p>Native code has no notice of weights that are freed or replaced while it reads them. So a pass
 * waits for a change by another thread to end. A change of what passes compute ({@link #change})
 * throws while another thread has a pass or generates, since that would go on with another model;
 * one that leaves their results as they are ({@link #addition}), or that frees everything ({@link
 * #end}), waits for the passes that run. Within a pass of its own thread every change throws.
 */
public final class PassGate {
  private final Map<Thread, Inside> inside = new HashMap<>();
  private @Nullable Thread changing;
  private int changes; // of that thread, one inside the other
  private int waiting; // changes that let no new pass in
  private long begun; // changes of all threads so far

  /** What one thread does. */
  private static final class Inside {
    int passes;
    int generations;
  }

  /** A pass or a change in progress; closing it twice does nothing. */
  public interface Use extends AutoCloseable {
    @Override
    void close();
  }

  /** A gate that nobody has passed. */
  public PassGate() {}

  /** A forward pass of this thread, until the result is closed. */
  public synchronized Use pass() {
    Thread me = Thread.currentThread();
    Inside own = inside.computeIfAbsent(me, key -> new Inside());
    if (own.passes == 0) {
      await(() -> isFree(me) && (waiting == 0 || changing == me));
    }
    own.passes++;
    return use(() -> leave(me, own, () -> own.passes--));
  }

  /**
   * Several passes of this thread that belong together, between which it may make changes itself.
   */
  public synchronized Use generation() {
    Thread me = Thread.currentThread();
    Inside own = inside.computeIfAbsent(me, key -> new Inside());
    own.generations++;
    return use(() -> leave(me, own, () -> own.generations--));
  }

  /**
   * A change of what passes compute, until the result is closed.
   *
   * @param what it does, as in "activate x", for the message
   * @throws IllegalStateException if this thread is within a pass, or another one uses the model
   */
  public synchronized Use change(String what) {
    check(what);
    await(() -> isFree(Thread.currentThread()));
    check(what);
    return begin();
  }

  /** A change that leaves the results of passes as they are, once no other thread has a pass. */
  public synchronized Use addition(String what) {
    return whenIdle(what);
  }

  /** The end of all weights, once no other thread has a pass; later passes find none. */
  public synchronized Use end(String what) {
    return whenIdle(what);
  }

  /** How many changes of whatever kind there have been. */
  public synchronized long changes() {
    return begun;
  }

  /** Throws if a change of what passes compute could not begin now. */
  public synchronized void check(String what) {
    checkOwn(what);
    inside.forEach(
        (thread, other) -> {
          if (thread != Thread.currentThread() && other.passes + other.generations > 0) {
            throw refusal(
                what,
                (other.passes > 0 ? "a forward pass runs" : "a generation runs")
                    + " on thread "
                    + thread.getName());
          }
        });
  }

  private Use whenIdle(String what) {
    checkOwn(what);
    Thread me = Thread.currentThread();
    waiting++;
    try {
      await(() -> isFree(me) && inside.values().stream().allMatch(other -> other.passes == 0));
    } finally {
      waiting--;
      notifyAll();
    }
    return begin();
  }

  private Use begin() {
    changing = Thread.currentThread();
    changes++;
    begun++;
    return use(
        () -> {
          changes--;
          if (changes == 0) {
            changing = null;
          }
        });
  }

  private boolean isFree(Thread me) {
    return changing == null || changing == me;
  }

  /** Throws within a pass of this thread. */
  public synchronized void checkOwn(String what) {
    Inside own = inside.get(Thread.currentThread());
    if (own != null && own.passes > 0) {
      throw refusal(what, "a forward pass runs");
    }
  }

  private static IllegalStateException refusal(String what, String why) {
    return new IllegalStateException(
        "Cannot "
            + what
            + " while "
            + why
            + ". Adapters and weights belong to the model, not to a thread: wait for it to end.");
  }

  private void leave(Thread thread, Inside own, Runnable less) {
    less.run();
    if (own.passes == 0 && own.generations == 0) {
      inside.remove(thread);
    }
  }

  private Use use(Runnable end) {
    boolean[] ended = new boolean[1];
    return () -> {
      synchronized (this) {
        if (!ended[0]) {
          ended[0] = true;
          end.run();
          notifyAll();
        }
      }
    };
  }

  /** An interrupt waits too: passes and changes are short. */
  private void await(BooleanSupplier condition) {
    boolean interrupted = false;
    while (!condition.getAsBoolean()) {
      try {
        wait();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
