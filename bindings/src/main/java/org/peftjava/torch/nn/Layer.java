package org.peftjava.torch.nn;

import org.peftjava.torch.Tensor;

/**
 * A module with one input and one output tensor. What a model calls a layer by, so that an adapter
 * may take its place.
 */
public interface Layer {
  /** Applies the layer. */
  Tensor forward(Tensor x);
}
