package org.peftjava.torch.nn;

/** A layer that normalises vectors and scales them, of which copies can be made for training. */
public interface NormLayer extends Layer {
  /** A layer of the same kind, size and type, without memory. */
  Module emptyCopy();
}
