package org.peftjava.torch.nn;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;

/**
 * Normalises the last dimension to mean 0 and variance 1, then scales and shifts, as {@code
 * torch.nn.LayerNorm}.
 */
public final class LayerNorm extends Module implements NormLayer {
  private @Nullable Parameter weight;
  private @Nullable Parameter bias;
  private final long size;
  private final double eps;
  private final DType type;

  /** A layer over vectors of this size, without memory. */
  public LayerNorm(long size, double eps, DType dtype) {
    this(size, eps, true, dtype);
  }

  /** The same; without {@code elementwiseAffine} it has no parameters and only normalises. */
  public LayerNorm(long size, double eps, boolean elementwiseAffine, DType dtype) {
    this.eps = eps;
    this.size = size;
    type = dtype;
    Shape shape = Shape.of(size);
    weight =
        elementwiseAffine ? register("weight", new Parameter(shape, dtype, Init.ones())) : null;
    bias = elementwiseAffine ? register("bias", new Parameter(shape, dtype, Init.zeros())) : null;
  }

  @Override
  protected void shared(String name, Parameter parameter) {
    if (name.equals("bias")) {
      bias = parameter;
    } else {
      weight = parameter;
    }
  }

  /** A layer of the same kind and size, of the weight's type, without memory. */
  @Override
  public LayerNorm emptyCopy() {
    return new LayerNorm(size, eps, weight != null, weight == null ? type : weight.dtype());
  }

  /** What is added to the variance. */
  public double eps() {
    return eps;
  }

  /** Normalises (..., d). */
  @Override
  public Tensor forward(Tensor x) {
    return Ops.layerNorm(
        x, weight == null ? null : weight.tensor(), bias == null ? null : bias.tensor(), eps);
  }
}
