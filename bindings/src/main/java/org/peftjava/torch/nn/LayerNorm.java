package org.peftjava.torch.nn;

import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;

/**
 * Normalises the last dimension to mean 0 and variance 1, then scales and shifts, as {@code
 * torch.nn.LayerNorm}.
 */
public final class LayerNorm extends Module implements Layer {
  private final Parameter weight;
  private final Parameter bias;
  private final double eps;

  /** A layer over vectors of this size, without memory. */
  public LayerNorm(long size, double eps, DType dtype) {
    this.eps = eps;
    weight = register("weight", new Parameter(Shape.of(size), dtype, Init.ones()));
    bias = register("bias", new Parameter(Shape.of(size), dtype, Init.zeros()));
  }

  /** Normalises (..., d). */
  @Override
  public Tensor forward(Tensor x) {
    return Ops.layerNorm(x, weight.tensor(), bias.tensor(), eps);
  }
}
