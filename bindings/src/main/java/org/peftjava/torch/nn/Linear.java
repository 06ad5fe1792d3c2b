package org.peftjava.torch.nn;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;

/** A linear layer with a dense weight (o, d), as {@code torch.nn.Linear}: {@code y = x W^T + b}. */
public final class Linear extends Module implements LinearLayer {
  private final long inFeatures;
  private Parameter weight;
  private @Nullable Parameter bias;

  /** A layer without memory; {@link #initialize} gives it torch's default values. */
  public Linear(long inFeatures, long outFeatures, boolean bias, DType dtype) {
    this.inFeatures = inFeatures;
    Init init = Init.kaimingUniform(inFeatures);
    weight = register("weight", new Parameter(Shape.of(outFeatures, inFeatures), dtype, init));
    this.bias = bias ? register("bias", new Parameter(Shape.of(outFeatures), dtype, init)) : null;
  }

  /** The weight (o, d). */
  public Parameter weight() {
    return weight;
  }

  @Override
  protected void shared(String name, Parameter parameter) {
    if (name.equals("bias")) {
      bias = parameter;
    } else {
      weight = parameter;
    }
  }

  @Override
  public Tensor forward(Tensor x) {
    return MatrixOps.linear(x, weight.tensor(), bias == null ? null : bias.tensor());
  }

  @Override
  public long inFeatures() {
    return inFeatures;
  }

  @Override
  public long outFeatures() {
    return weight.shape().get(0);
  }

  @Override
  public Tensor denseWeight(DType type) {
    try (GradMode off = GradMode.noGrad()) {
      Tensor converted = weight.tensor().detach().to(type);
      return weight.dtype() == type ? converted.copy() : converted;
    }
  }

  @Override
  public void replaceWeight(Tensor dense) {
    weight.copyFrom(dense);
  }

  @Override
  public Optional<Parameter> bias() {
    return Optional.ofNullable(bias);
  }

  @Override
  public DType computeDtype() {
    return weight.dtype();
  }
}
