package org.peftjava.torch;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.runtime.NativeRuntime;

/**
 * A block of code that owns the tensors created in it, on its thread, and closes them when it ends.
 *
 * <pre>{@code
 * try (var scope = TensorScope.open("layer 3")) {
 *   Tensor hidden = layer.forward(x);
 *   return scope.keep(hidden); // now owned by the enclosing scope
 * }
 * }</pre>
 *
 * <p>Scopes nest; each belongs to the thread that opened it and is closed there, innermost first.
 * Open one per layer, not one per training step: a scope keeps intermediates alive that autograd
 * does not need.
 */
public final class TensorScope implements AutoCloseable {
  static {
    NativeRuntime.ensureLoaded();
  }

  private static final ThreadLocal<Deque<TensorScope>> OPEN =
      ThreadLocal.withInitial(ArrayDeque::new);

  private final String name;
  private final Thread thread = Thread.currentThread();
  private final Deque<TensorScope> stack = OPEN.get();
  private final PointerScope pointers = new PointerScope();
  private final List<Tensor> members = new ArrayList<>();
  private final List<Runnable> atClose = new ArrayList<>(0);
  private final @Nullable TensorScope parent;
  private final boolean ownsGraphs;
  private boolean closed;

  private TensorScope(String name, boolean ownsGraphs) {
    this.name = name;
    this.ownsGraphs = ownsGraphs;
    parent = stack.peek();
    stack.push(this);
  }

  /** Opens a scope on this thread; {@code name} appears in errors. */
  public static TensorScope open(String name) {
    return new TensorScope(name, false);
  }

  /**
   * Opens a scope that also ends the autograd graphs built inside it: what custom gradients saved
   * for a backward pass that never ran is released when it closes. Open one around each forward and
   * backward pass.
   */
  public static TensorScope openGraph(String name) {
    return new TensorScope(name, true);
  }

  /** Hands a tensor of this scope to the enclosing scope and returns it. */
  public Tensor keep(Tensor tensor) {
    checkUsable();
    if (tensor.owner() != this) {
      return tensor; // an outer scope or a module owns it: it outlives this scope anyway
    }
    if (parent == null) {
      throw new IllegalStateException(
          "Scope \""
              + name
              + "\" is the outermost one: nothing encloses it that could keep the"
              + " tensor. Copy the values to a Java array, or open an outer scope: try (var scope ="
              + " TensorScope.open(\"name\")) { … }.");
    }
    Tensor base = tensor.base();
    if (base == null) {
      parent.own(tensor.handle());
    } else {
      keep(base); // a view in Java stays one, with the memory that it reads
    }
    parent.members.add(tensor);
    tensor.ownedBy(parent);
    return tensor;
  }

  /**
   * Closes every tensor that was created in this scope and not kept. Closing twice does nothing.
   */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    checkUsable();
    closed = true;
    stack.pop();
    for (Runnable action : atClose) {
      action.run();
    }
    for (Tensor tensor : members) {
      if (tensor.owner() == this) {
        tensor.closedByScope(name);
      }
    }
    members.clear();
    pointers.close();
    if (parent == null) {
      Scratch.giveBack();
    }
  }

  /** The innermost open scope of this thread. */
  static @Nullable TensorScope current() {
    return OPEN.get().peek();
  }

  /** The scope that ends graphs built now: the nearest graph scope, else the outermost scope. */
  static @Nullable TensorScope graphScope() {
    TensorScope scope = current();
    while (scope != null && !scope.ownsGraphs && scope.parent != null) {
      scope = scope.parent;
    }
    return scope;
  }

  void onClose(Runnable action) {
    atClose.add(action);
  }

  void adopt(Tensor tensor) {
    members.add(tensor);
  }

  /** Takes over what a tensor of this scope has become. */
  void own(org.bytedeco.pytorch.Tensor handle) {
    pointers.attach(handle);
  }

  boolean isOfThisThread() {
    return Thread.currentThread() == thread;
  }

  void release(Tensor tensor) {
    tensor.handle().retainReference();
    pointers.detach(tensor.handle());
  }

  private void checkUsable() {
    if (Thread.currentThread() != thread) {
      throw new IllegalStateException(
          "Scope \""
              + name
              + "\" belongs to thread "
              + thread.getName()
              + " but was used on "
              + Thread.currentThread().getName()
              + ". Open and close a scope on one thread.");
    }
    if (!closed && stack.peek() != this) {
      TensorScope inner = stack.peek();
      throw new IllegalStateException(
          "Scope \""
              + name
              + "\" was used while the inner scope \""
              + (inner == null ? "none" : inner.name)
              + "\" is open. Close inner scopes first.");
    }
  }
}
