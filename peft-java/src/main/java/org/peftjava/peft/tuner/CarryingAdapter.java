package org.peftjava.peft.tuner;

import org.peftjava.torch.Tensor;

/**
 * An adapter of whole decoder layers that carries a state of its own from layer to layer, beside
 * the hidden state. Its layers stand one behind the other.
 *
 * <p>Shapes: all tensors (b, t, e).
 */
public interface CarryingAdapter extends LayerAdapter {
  /** Whether the state begins here. */
  boolean isFirst();

  /** Whether the state ends here. */
  boolean isLast();

  /** What the layer gets. */
  Tensor injected(Tensor hidden, Tensor state, boolean training);

  /**
   * The next state.
   *
   * @param hidden what the layer gave
   */
  Tensor next(Tensor hidden, Tensor state);

  @Override
  default boolean mixesBatches() {
    return false;
  }

  @Override
  default void checkBeside(LayerAdapter other) {
    throw new IllegalArgumentException(
        "Only one adapter that carries a state through the layers can act. Activate one.");
  }

  @Override
  default Tensor afterBase(Tensor x, Tensor y, boolean training) {
    throw new UnsupportedOperationException("A decoder layer takes the state in itself.");
  }

  @Override
  default Tensor mergedInto(Tensor weight) {
    throw AdaptedDecoderLayer.notOneWeight();
  }

  @Override
  default Tensor removedFrom(Tensor weight) {
    throw AdaptedDecoderLayer.notOneWeight();
  }
}
