package org.peftjava.torch;

import java.util.concurrent.atomic.AtomicReference;
import org.bytedeco.pytorch.AutogradState;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.TensorVector;
import org.jspecify.annotations.Nullable;

/** The backward pass, which runs in the calling thread. */
final class Autograd {
  /**
   * What the last hook of this thread returned; the engine has read it by the time the next hook
   * runs.
   */
  private static final ThreadLocal<@Nullable TensorVector> RETURNED = new ThreadLocal<>();

  /** What a hook threw last; the engine may run hooks on a thread of its own. */
  private static final AtomicReference<@Nullable Throwable> FAILED = new AtomicReference<>();

  private Autograd() {}

  static void backward(Tensor tensor, @Nullable Tensor gradient) {
    if (!tensor.requiresGrad()) {
      throw new IllegalStateException(
          "backward() needs a tensor that depends on something trainable, but this "
              + tensor
              + " does not. Is an adapter active, and was the forward pass run outside"
              + " GradMode.noGrad()?");
    }
    AutogradState engine = AutogradState.get_tls_state();
    boolean withThreads = engine.get_multithreading_enabled();
    // Else the engine runs a card's part on a thread that joins and leaves the JVM for every hook.
    engine.set_multithreading_enabled(false);
    try (TensorScope scope = TensorScope.open("backward")) {
      org.bytedeco.pytorch.Tensor start =
          gradient == null ? new org.bytedeco.pytorch.Tensor() : gradient.handle();
      tensor.handle().backward(start, new BoolOptional(), false, new TensorArrayRefOptional());
    } catch (RuntimeException e) {
      throw original(e);
    } finally {
      engine.set_multithreading_enabled(withThreads);
      forgetReturned();
    }
  }

  /** Remembers what a hook throws, since of an exception only the text crosses native code. */
  static void failed(Throwable error) {
    FAILED.set(error);
  }

  private static RuntimeException original(RuntimeException error) {
    Throwable thrown = FAILED.getAndSet(null);
    String message = error.getMessage();
    if (thrown == null || message == null || !message.contains(thrown.toString())) {
      return NativeErrors.translate(error);
    }
    if (thrown instanceof Error fatal) {
      throw fatal;
    }
    return (RuntimeException) thrown;
  }

  /** Keeps a vector alive until the engine has taken it over. */
  static TensorVector returned(TensorVector vector) {
    forgetReturned();
    RETURNED.set(vector);
    return vector;
  }

  /** Lets go what the last hook returned; the engine has read it. */
  static void forgetReturned() {
    TensorVector previous = RETURNED.get();
    if (previous != null) {
      previous.releaseReference();
      RETURNED.remove();
    }
  }
}
