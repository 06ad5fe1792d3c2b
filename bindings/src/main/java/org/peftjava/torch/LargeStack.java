package org.peftjava.torch;

import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.kernels.NativeKernels;

/**
 * Operators that need more stack than Java's threads have: OpenBLAS keeps megabytes of it for each
 * level of the recursion by which it factorises a matrix (LU) with several threads. Beyond the end
 * of a thread's stack the process ends.
 */
final class LargeStack {
  private static final long BYTES = 256L << 20; // of addresses; memory is what is touched

  /** Elements of a matrix from which on OpenBLAS takes several threads, or fewer. */
  private static final long LARGE = 10_000;

  private LargeStack() {}

  /**
   * The result of an operator over matrices (..., m, n), which runs on a thread of its own if they
   * are large.
   */
  static Tensor op(Tensor matrices, Supplier<org.bytedeco.pytorch.Tensor> operator) {
    int rank = matrices.rank();
    if (rank < 2 || matrices.size(-1) * matrices.size(-2) < LARGE || !matrices.isOnCpu()) {
      return Natives.op(operator);
    }
    return Natives.op(
        () -> {
          try (org.bytedeco.pytorch.Tensor result = onThread(operator)) {
            return new org.bytedeco.pytorch.Tensor(result); // of this thread's scope
          }
        });
  }

  private static org.bytedeco.pytorch.Tensor onThread(
      Supplier<org.bytedeco.pytorch.Tensor> operator) {
    boolean recording = GradMode.isEnabled();
    AtomicReference<org.bytedeco.pytorch.@Nullable Tensor> result = new AtomicReference<>();
    AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    Runnable work =
        () -> {
          try (GradMode mode = recording ? GradMode.enableGrad() : GradMode.noGrad()) {
            result.set(NativeKernels.withBlasAlone(operator));
          } catch (RuntimeException | Error e) {
            failure.set(e);
          }
        };
    Thread thread = new Thread(null, work, "peft-java linear algebra", BYTES);
    thread.setDaemon(true);
    thread.start();
    join(thread);
    Throwable thrown = failure.get();
    if (thrown instanceof Error error) {
      throw error;
    }
    if (thrown instanceof RuntimeException exception) {
      throw exception;
    }
    org.bytedeco.pytorch.Tensor value = result.get();
    if (value == null) {
      throw new IllegalStateException("The operator has neither a result nor an error.");
    }
    return value;
  }

  /** Native code cannot be interrupted: waits, and keeps the interrupt for later. */
  private static void join(Thread thread) {
    boolean interrupted = false;
    while (true) {
      try {
        thread.join();
        break;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
