package org.peftjava.torch.nn;

import org.peftjava.torch.DType;
import org.peftjava.torch.FusedOps;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;

/**
 * Divides the last dimension by its root mean square and scales it: {@code x / sqrt(mean(x^2) +
 * eps) * scale}.
 *
 * <p>Paper: arXiv:1910.07467. Reference: transformers' {@code LlamaRMSNorm}, where the weight is
 * the scale and multiplies what has been rounded to x's type, and {@code Gemma2RMSNorm}, where the
 * scale is {@code 1 + weight} and all is rounded once.
 */
public final class RmsNorm extends Module implements NormLayer {
  private Parameter weight;
  private final double eps;
  private final boolean aroundOne;

  private RmsNorm(long size, double eps, boolean aroundOne, DType dtype) {
    this.eps = eps;
    this.aroundOne = aroundOne;
    Init init = aroundOne ? Init.zeros() : Init.ones();
    weight = register("weight", new Parameter(Shape.of(size), dtype, init));
  }

  /** A layer over vectors of this size, without memory. */
  public RmsNorm(long size, double eps, DType dtype) {
    this(size, eps, false, dtype);
  }

  /** A layer whose weight is what the scale exceeds 1 by, as in Gemma. */
  public static RmsNorm aroundOne(long size, double eps, DType dtype) {
    return new RmsNorm(size, eps, true, dtype);
  }

  @Override
  public RmsNorm emptyCopy() {
    return new RmsNorm(weight.numel(), eps, aroundOne, weight.dtype());
  }

  @Override
  protected void shared(String name, Parameter parameter) {
    weight = parameter;
  }

  /** What is added to the mean square. */
  public double eps() {
    return eps;
  }

  /** Normalises (..., d). */
  @Override
  public Tensor forward(Tensor x) {
    return aroundOne
        ? FusedOps.rmsNormAroundOne(x, weight.tensor(), eps)
        : FusedOps.rmsNorm(x, weight.tensor(), eps);
  }
}
