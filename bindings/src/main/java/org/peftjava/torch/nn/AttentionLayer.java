package org.peftjava.torch.nn;

import org.peftjava.torch.Tensor;

/**
 * The attention of a decoder layer. What a model calls it by, so that an adapter may take its
 * place.
 *
 * <p>Letters: {@code b} batch, {@code t} tokens, {@code e} hidden size, {@code n} vectors.
 *
 * @param <C> what all layers of the model share in a pass, such as masks
 */
public interface AttentionLayer<C> {
  /** Attends from each token of x (b, t, e) to those that the mask allows; returns (b, t, e). */
  Tensor forward(Tensor x, C context);

  /**
   * What each token of x gets when it asks only vectors that stand beside the text, without
   * positions and without a mask.
   *
   * @param x (b, t, e)
   * @param vectors (1, n, e), projected as tokens are
   * @param gate (1), by which the weights of the vectors are multiplied
   * @return (b, t, e)
   */
  Tensor askBeside(Tensor x, Tensor vectors, Tensor gate, C context);

  /** This type, for a {@link Slot} of it. */
  @SuppressWarnings("unchecked") // a class literal has no type arguments
  static <C> Class<AttentionLayer<C>> type() {
    return (Class<AttentionLayer<C>>) (Class<?>) AttentionLayer.class;
  }
}
