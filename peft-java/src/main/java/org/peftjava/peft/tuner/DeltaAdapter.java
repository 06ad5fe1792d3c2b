package org.peftjava.peft.tuner;

import org.peftjava.torch.DType;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;

/**
 * An adapter that adds a matrix to the weight of a linear layer: {@code y = base(x) + x D^T}.
 *
 * <p>Shapes: x (..., d), y (..., o), D (o, d). The sum is taken in the adapter's type.
 */
public abstract class DeltaAdapter implements LayerAdapter {
  /** For subclasses. */
  protected DeltaAdapter() {}

  /**
   * D, in the graph and in the adapter's type.
   *
   * @param training whether dropout is on
   */
  protected abstract Tensor delta(boolean training);

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    Tensor delta = delta(training);
    DType type = delta.dtype();
    return y.to(type).add(MatrixOps.linear(x.to(type), delta, null));
  }

  @Override
  public final Tensor mergedInto(Tensor weight) {
    return weight.addInPlace(delta(false).to(weight.dtype()));
  }

  @Override
  public final Tensor removedFrom(Tensor weight) {
    return weight.subInPlace(delta(false).to(weight.dtype()), 1);
  }
}
