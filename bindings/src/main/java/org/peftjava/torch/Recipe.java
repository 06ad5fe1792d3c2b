package org.peftjava.torch;

import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * How a tensor is computed again from tensors that are kept for the backward pass anyway, so that
 * it need not be kept itself: the output of a norm from its input, that of an activation from what
 * it is applied to.
 *
 * <p>The tensor and all who keep it for the backward pass are users of one recipe. The first of
 * them that needs the value then has it computed; it is freed with the last user.
 */
final class Recipe {
  private final List<Saved> inputs;
  private final Function<List<Tensor>, Tensor> how;
  private @Nullable Tensor value;
  private int users = 1;

  /**
   * A recipe with one user, the tensor.
   *
   * @param inputs must not be changed in place before the backward pass
   * @param how gives the same bits each time; runs without recording gradients
   */
  Recipe(List<Tensor> inputs, Function<List<Tensor>, Tensor> how) {
    this.inputs = inputs.stream().map(Saved::of).toList();
    this.how = how;
  }

  /** One more user. */
  void retain() {
    users++;
  }

  /** The value, computed now unless another user had it computed; the recipe's own. */
  Tensor value() {
    Tensor result = value;
    if (result == null) {
      try (TensorScope scope = TensorScope.open("recompute");
          GradMode off = GradMode.noGrad()) {
        result = how.apply(inputs.stream().map(Saved::get).toList()).escape();
      }
      value = result;
    }
    return result;
  }

  /** One user fewer; frees all with the last. */
  void release() {
    users--;
    if (users == 0) {
      if (value != null) {
        value.close();
        value = null;
      }
      inputs.forEach(Saved::close);
    }
  }
}
