package org.peftjava.torch;

import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * How a tensor is computed again from tensors that are kept for the backward pass anyway, so that
 * it need not be kept itself: the output of a norm from its input, that of an activation from what
 * it is applied to.
 *
 * <p>All who keep the tensor share one recipe. The first of them that needs the value in the
 * backward pass has it computed; it is freed with the last.
 */
final class Recipe {
  private final List<Tensor> inputs;
  private final Function<List<Tensor>, Tensor> how;
  private List<Saved> kept = List.of();
  private @Nullable Tensor value;
  private int users;

  /**
   * A recipe.
   *
   * @param inputs must not be changed in place before the backward pass
   * @param how gives the same bits each time; runs without recording gradients
   */
  Recipe(List<Tensor> inputs, Function<List<Tensor>, Tensor> how) {
    this.inputs = inputs;
    this.how = how;
  }

  /** Whether the inputs are still there to be kept. */
  boolean isUsable() {
    return users > 0 || inputs.stream().noneMatch(Tensor::isClosed);
  }

  /** Counts one more who keeps the tensor. */
  void retain() {
    if (users == 0) {
      kept = inputs.stream().map(Saved::of).toList();
    }
    users++;
  }

  /** The value, computed now unless another user had it computed; the recipe's own. */
  Tensor value() {
    Tensor result = value;
    if (result == null) {
      try (TensorScope scope = TensorScope.open("recompute");
          GradMode off = GradMode.noGrad()) {
        result = how.apply(kept.stream().map(Saved::get).toList()).escape();
      }
      value = result;
    }
    return result;
  }

  /** One fewer; frees all with the last. */
  void release() {
    users--;
    if (users == 0) {
      if (value != null) {
        value.close();
        value = null;
      }
      kept.forEach(Saved::close);
      kept = List.of();
    }
  }
}
