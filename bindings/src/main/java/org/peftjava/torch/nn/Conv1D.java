package org.peftjava.torch.nn;

import java.util.Optional;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;

/**
 * A linear layer whose weight is stored transposed, (d, o): {@code y = x W + b}. GPT-2's layers are
 * of this kind.
 *
 * <p>Reference: {@code transformers.pytorch_utils.Conv1D}, initialised as there: weight N(0, 0.02),
 * bias 0.
 */
public final class Conv1D extends Module implements LinearLayer {
  private final long inFeatures;
  private final long outFeatures;
  private Parameter bias;
  private Parameter weight;

  /**
   * A layer without memory. The order of the arguments is that of {@link Linear}, not Python's (nf,
   * nx).
   */
  public Conv1D(long inFeatures, long outFeatures, DType dtype) {
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    weight =
        register(
            "weight", new Parameter(Shape.of(inFeatures, outFeatures), dtype, Init.normal(0.02)));
    bias = register("bias", new Parameter(Shape.of(outFeatures), dtype, Init.zeros()));
  }

  @Override
  protected void shared(String name, Parameter parameter) {
    if (name.equals("bias")) {
      bias = parameter;
    } else {
      weight = parameter;
    }
  }

  /** The weight as stored, (d, o). */
  public Parameter weight() {
    return weight;
  }

  @Override
  public Tensor forward(Tensor x) {
    return MatrixOps.linearTransposed(x, weight.tensor(), bias.tensor());
  }

  @Override
  public long inFeatures() {
    return inFeatures;
  }

  @Override
  public long outFeatures() {
    return outFeatures;
  }

  @Override
  public Tensor denseWeight(DType type) {
    try (GradMode off = GradMode.noGrad()) {
      return weight.tensor().detach().t().to(type).copy();
    }
  }

  @Override
  public void replaceWeight(Tensor dense) {
    weight.copyFrom(dense.t());
  }

  @Override
  public Optional<Parameter> bias() {
    return Optional.of(bias);
  }

  @Override
  public DType computeDtype() {
    return weight.dtype();
  }
}
