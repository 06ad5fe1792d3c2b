package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Checkpoint;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.PassGate;

/**
 * Which adapters a model has, which of them act, and which are merged: one object for all its
 * layers, so that layers cannot disagree.
 *
 * <p>The state belongs to the model, not to a thread. Threads may compute with one model at once;
 * changing what acts while another one does, or within a forward pass, throws ({@link PassGate}).
 */
public final class AdapterSet {
  private final PassGate gate = new PassGate();
  private volatile List<String> names = List.of();
  private volatile List<String> active = List.of();
  private volatile List<String> merged = List.of();
  private volatile boolean enabled = true;
  private volatile boolean ended;

  @SuppressWarnings("ThreadLocalUsage")
  private final ThreadLocal<@Nullable RowPlan> rows = new ThreadLocal<>();

  @SuppressWarnings("ThreadLocalUsage") // of this model and one thread's pass through it
  private final ThreadLocal<@Nullable TaskRows> tasks = new ThreadLocal<>();

  @SuppressWarnings("ThreadLocalUsage")
  private final ThreadLocal<@Nullable InvokedTokens> invoked = new ThreadLocal<>();

  @SuppressWarnings("ThreadLocalUsage")
  private final ThreadLocal<@Nullable Tensor> carried = new ThreadLocal<>();

  private @Nullable TunedModel owner;

  /** A forward pass in progress. */
  public interface Running extends AutoCloseable {
    @Override
    void close();
  }

  void belongsTo(TunedModel model) {
    owner = model;
  }

  /** The model whose adapters these are. */
  Optional<TunedModel> owner() {
    return Optional.ofNullable(owner);
  }

  /** All adapters, in order of addition. */
  public List<String> names() {
    return names;
  }

  /** The adapters that act, in order. */
  public List<String> active() {
    return active;
  }

  /** The adapters that are part of the base weights now, in order of merging. */
  public List<String> merged() {
    return merged;
  }

  /** Whether adapters act at all. */
  public boolean isEnabled() {
    return enabled;
  }

  /** Marks the time of a forward pass: until it is closed, changes throw. */
  public Running run() {
    PassGate.Use pass = gate.pass();
    if (ended) {
      pass.close();
      throw new IllegalStateException(
          "The adapters were taken off this model while a pass was to begin.");
    }
    return pass::close;
  }

  /**
   * Marks passes of this thread that belong together: until it is closed, others' changes throw.
   */
  public Running generation() {
    return gate.generation()::close;
  }

  /** How many changes of whatever kind there have been. */
  public long changes() {
    return gate.changes();
  }

  /** Lets each row of this thread's batch have its own adapter until the result is closed. */
  Running mix(AdapterRows names) {
    gate.checkOwn("mix adapters in a batch");
    Running pass = run();
    rows.set(new RowPlan(names));
    return () -> {
      rows.remove();
      pass.close();
    };
  }

  /** Until the result is closed, passes wait; throws where {@link #checkIdle} does. */
  public Running change(String what) {
    return gate.change(what)::close;
  }

  /** The same for what does not change passes, once no thread has one. */
  Running addition(String what) {
    return gate.addition(what)::close;
  }

  /** The same for taking everything off; later passes throw. */
  Running end(String what) {
    PassGate.Use end = gate.end(what);
    return () -> {
      ended = true;
      end.close();
    };
  }

  /** Whether this thread is within a pass or a generation whose rows have adapters of their own. */
  public boolean hasRows() {
    return rows().isPresent();
  }

  /** Which adapter acts for which row, where that is not the same for all. */
  Optional<RowPlan> rows() {
    return Optional.ofNullable(enabled ? rows.get() : null);
  }

  /**
   * The result of {@code work}, such as a forward pass, within which the tasks of a batch's rows
   * are known, also where layers are run again in the backward pass. Tasks belong to a thread.
   */
  public <T> T withTasks(TaskRows ids, Supplier<T> work) {
    return Checkpoint.within(
        () -> {
          TaskRows before = tasks.get();
          tasks.set(ids);
          return () -> tasks.set(before);
        },
        work);
  }

  /** The task of each row of the batch, if it is known. */
  public Optional<TaskRows> tasks() {
    return Optional.ofNullable(tasks.get());
  }

  /**
   * The same for the tokens for which adapters act that wait for an invocation.
   *
   * @param tokens of this pass
   */
  public <T> T withInvoked(InvokedTokens tokens, Supplier<T> work) {
    return Checkpoint.within(
        () -> {
          InvokedTokens before = invoked.get();
          invoked.set(tokens);
          return () -> invoked.set(before);
        },
        work);
  }

  /** For which tokens of this pass adapters act that wait for an invocation, if it is known. */
  Optional<InvokedTokens> invoked() {
    return Optional.ofNullable(invoked.get());
  }

  /**
   * The result of {@code work}, a forward pass with the first state (b, t, e) of an adapter that
   * carries one through the layers.
   */
  public <T> T withCarried(Tensor state, Supplier<T> work) {
    Tensor before = carried.get();
    carried.set(state);
    try {
      return work.get();
    } finally {
      carried.set(before);
    }
  }

  /** That state, in such a pass. */
  Optional<Tensor> carried() {
    return Optional.ofNullable(carried.get());
  }

  /** Adds a name. A name is a part of parameter names, so it has no dot. */
  public void add(String name) {
    checkNew(name);
    gate.checkOwn("add adapter \"" + name + "\"");
    List<String> changed = new ArrayList<>(names);
    changed.add(name);
    names = List.copyOf(changed);
  }

  /** Throws unless an adapter of this name could be added. */
  public void checkNew(String name) {
    if (name.isEmpty() || name.contains(".")) {
      throw new IllegalArgumentException(
          "An adapter name must be non-empty and without dots, got \"" + name + "\".");
    }
    if (names.contains(name)) {
      throw new IllegalArgumentException(
          "There already is an adapter \"" + name + "\". Delete it first, or use another name.");
    }
  }

  /** Removes a name that is not merged. */
  public void remove(String name) {
    checkKnown(List.of(name));
    gate.checkOwn("delete adapter \"" + name + "\"");
    if (merged.contains(name)) {
      throw new IllegalStateException(
          "Adapter \"" + name + "\" is merged into the base weights. Unmerge it before deleting.");
    }
    names = names.stream().filter(other -> !other.equals(name)).toList();
    active = active.stream().filter(other -> !other.equals(name)).toList();
  }

  /** Makes exactly these adapters act. */
  public void activate(List<String> adapters) {
    checkKnown(adapters);
    try (Running alone = change("activate " + adapters)) {
      active = List.copyOf(new LinkedHashSet<>(adapters));
    }
  }

  /** Lets adapters act, or not. */
  public void enable(boolean on) {
    try (Running alone = change(on ? "enable adapters" : "disable adapters")) {
      enabled = on;
    }
  }

  /** Throws unless all names are known. */
  public void checkKnown(Collection<String> adapters) {
    for (String name : adapters) {
      if (!names.contains(name)) {
        throw new IllegalArgumentException(
            "There is no adapter \"" + name + "\". Adapters of this model: " + names + ".");
      }
    }
  }

  /** Throws within a forward pass, or while another thread has one or generates. */
  public void checkIdle(String change) {
    gate.check(change);
  }

  void markMerged(String name) {
    List<String> changed = new ArrayList<>(merged);
    changed.add(name);
    merged = List.copyOf(changed);
  }

  void markUnmerged(String name) {
    merged = merged.stream().filter(other -> !other.equals(name)).toList();
  }
}
