package org.peftjava.torch.nn;

import org.peftjava.torch.Tensor;

/**
 * One layer of a decoder's stack. What a model calls it by, so that an adapter may take its place.
 *
 * <p>Letters: {@code b} batch, {@code t} tokens, {@code e} hidden size. An adapter may carry a
 * state of its own through the stack beside the hidden state; then what goes from its first layer
 * to its last one is (b, t, 2 e).
 *
 * @param <C> what all layers of the model share in a pass, such as masks
 */
public interface StackLayer<C> {
  /** The next hidden state for x (b, t, e), owned by the current scope. */
  Tensor forward(Tensor x, C context);

  /**
   * What {@link #forward} is given for what the layer before gave: the same, or more where an
   * adapter begins to carry a state. Not a part of what is run again in the backward pass.
   */
  default Tensor entering(Tensor state) {
    return state;
  }

  /** The hidden state in what the layer before gave. */
  default Tensor hiddenPart(Tensor state) {
    return state;
  }

  /** This type, for a {@link ModuleList} of it. */
  @SuppressWarnings("unchecked") // a class literal has no type arguments
  static <C> Class<StackLayer<C>> type() {
    return (Class<StackLayer<C>>) (Class<?>) StackLayer.class;
  }
}
