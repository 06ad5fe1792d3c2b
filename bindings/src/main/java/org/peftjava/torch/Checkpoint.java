package org.peftjava.torch;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Gradient checkpointing: runs a block without recording, and once more in the backward pass.
 *
 * <p>Trades a second forward pass for the memory of the block's intermediates. Random state is
 * restored for the second run, so dropout draws the same masks. Parameters inside the block receive
 * their gradients also when no input needs one. Reference: {@code torch.utils.checkpoint},
 * arXiv:1604.06174.
 */
public final class Checkpoint {
  private static final ThreadLocal<List<Surroundings>> AROUND = ThreadLocal.withInitial(List::of);

  private static final ThreadLocal<Boolean> SECOND = ThreadLocal.withInitial(() -> false);

  private Checkpoint() {}

  /** Whether a block runs for the second time now, in the backward pass of this thread. */
  public static boolean isSecondRun() {
    return SECOND.get();
  }

  /** What blocks find around them besides their inputs, such as the task of each row. */
  @FunctionalInterface
  public interface Surroundings {
    /** Puts it there until the result is closed. */
    Present enter();

    /** Something that is there until it is closed. */
    @FunctionalInterface
    interface Present extends AutoCloseable {
      @Override
      void close();
    }
  }

  /** The result of {@code work} in surroundings that its blocks have in their second run too. */
  public static <T> T within(Surroundings surroundings, Supplier<T> work) {
    List<Surroundings> before = AROUND.get();
    List<Surroundings> all = new ArrayList<>(before);
    all.add(surroundings);
    try (Surroundings.Present present = surroundings.enter()) {
      AROUND.set(all);
      return work.get();
    } finally {
      AROUND.set(before);
    }
  }

  /** The block, which enters the surroundings of this moment whenever it runs. */
  private static Function<List<Tensor>, Tensor> carrying(
      Function<List<Tensor>, Tensor> block, List<Surroundings> surroundings) {
    Function<List<Tensor>, Tensor> result = block;
    for (int i = surroundings.size() - 1; i >= 0; i--) {
      Surroundings outer = surroundings.get(i);
      Function<List<Tensor>, Tensor> inner = result;
      result = inputs -> within(outer, () -> inner.apply(inputs));
    }
    return result;
  }

  /** Returns {@code block(inputs)}; only the inputs stay in memory for the backward pass. */
  public static Tensor run(Function<List<Tensor>, Tensor> block, List<Tensor> inputs) {
    if (!GradMode.isEnabled()) {
      return block.apply(inputs);
    }
    Randomness.State before = Randomness.save();
    Tensor value;
    try (TensorScope scope = TensorScope.open("checkpoint");
        GradMode off = GradMode.noGrad()) {
      // Detached: the block may return an input or a parameter, which has a place in the graph.
      value = scope.keep(block.apply(inputs).detach());
    }
    boolean[] needs = new boolean[inputs.size()];
    for (int i = 0; i < needs.length; i++) {
      needs[i] = inputs.get(i).requiresGrad();
    }
    Function<List<Tensor>, Tensor> second = carrying(block, AROUND.get());
    return CustomGradient.attach(
        value, inputs, inputs, (gradient, saved) -> again(second, before, needs, gradient, saved));
  }

  /**
   * The same for a block that costs little and gives the same bits each time, such as a norm: not
   * even its value is kept for what is computed from it, where that can be computed again.
   */
  public static Tensor cheap(Function<List<Tensor>, Tensor> block, List<Tensor> inputs) {
    return FusedOps.recomputable(run(block, inputs), inputs, block);
  }

  private static List<@Nullable Tensor> again(
      Function<List<Tensor>, Tensor> block,
      Randomness.State before,
      boolean[] needs,
      Tensor gradient,
      List<Tensor> saved) {
    Randomness.State after = Randomness.save();
    List<Tensor> inputs = new ArrayList<>();
    for (int i = 0; i < needs.length; i++) {
      Tensor input = saved.get(i).detach();
      inputs.add(needs[i] ? input.requiresGrad(true) : input);
    }
    try (TensorScope scope = TensorScope.openGraph("recompute");
        GradMode on = GradMode.enableGrad()) {
      Randomness.restore(before);
      SECOND.set(true);
      Tensor result = block.apply(inputs);
      if (result.requiresGrad()) {
        result.backward(gradient);
      }
    } finally {
      SECOND.set(false);
      Randomness.restore(after);
    }
    List<@Nullable Tensor> gradients = new ArrayList<>();
    for (Tensor input : inputs) {
      gradients.add(input.grad().orElse(null));
    }
    return gradients;
  }
}
