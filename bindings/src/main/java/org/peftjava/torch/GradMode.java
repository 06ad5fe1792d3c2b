package org.peftjava.torch;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.runtime.NativeRuntime;

/**
 * Whether operations record gradients, for one block of code on one thread.
 *
 * <pre>{@code
 * try (var off = GradMode.noGrad()) { ... }
 * }</pre>
 */
public final class GradMode implements AutoCloseable {
  static {
    NativeRuntime.ensureLoaded();
  }

  private static final ThreadLocal<@Nullable GradMode> INNERMOST = new ThreadLocal<>();

  private final Thread thread = Thread.currentThread();
  private final @Nullable GradMode outer = INNERMOST.get();
  private final boolean previous;
  private boolean closed;

  private GradMode(boolean enabled) {
    previous = org.bytedeco.pytorch.GradMode.is_enabled();
    org.bytedeco.pytorch.GradMode.set_enabled(enabled);
    INNERMOST.set(this);
  }

  /** Records no gradients until closed. */
  public static GradMode noGrad() {
    return new GradMode(false);
  }

  /** Records gradients until closed, also inside a block without. */
  public static GradMode enableGrad() {
    return new GradMode(true);
  }

  /** Whether operations of this thread record gradients now. */
  public static boolean isEnabled() {
    return org.bytedeco.pytorch.GradMode.is_enabled();
  }

  /** Restores the mode that was in force before. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    if (Thread.currentThread() != thread) {
      throw new IllegalStateException(
          "A grad mode of thread "
              + thread.getName()
              + " was closed on "
              + Thread.currentThread().getName()
              + ". Close it where it was opened.");
    }
    if (INNERMOST.get() != this) {
      throw new IllegalStateException(
          "A grad mode was closed while one that was opened inside it is open. Close the inner one"
              + " first, best by try-with-resources.");
    }
    closed = true;
    INNERMOST.set(outer);
    org.bytedeco.pytorch.GradMode.set_enabled(previous);
  }
}
