package org.peftjava.transformers.model;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Tensor;

/**
 * What all layers of a stack are given besides the hidden state, such as masks and rotations. Each
 * architecture with needs of its own writes a record of them.
 *
 * @param <C> the implementing type itself
 */
public interface LayerContext<C extends LayerContext<C>> {
  /**
   * The tensors in here, which a recomputed layer must keep alive until the backward pass: in a
   * fixed order, absent ones left out.
   */
  List<Tensor> tensors();

  /** The same context with these tensors, as many and in the same order. */
  C with(List<Tensor> tensors);

  /** Keys and values of earlier tokens, or null. */
  @Nullable KvCache past();

  /** What the pass keeps of its way, or null. */
  @Nullable LayerTrace trace();
}
