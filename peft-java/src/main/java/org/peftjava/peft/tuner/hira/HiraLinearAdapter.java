package org.peftjava.peft.tuner.hira;

import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Parameter;

/**
 * HiRA over a linear layer: {@code y = base(x) + drop(x) (W * B A)^T}, with {@code *} elementwise.
 *
 * <p>Reference: PEFT {@code tuners/hira/layer.py::Linear}. Shapes: A (r, d), B (o, r), W (o, d).
 */
final class HiraLinearAdapter extends HiraAdapter {
  private final LinearLayer base;
  private final double dropout;

  HiraLinearAdapter(Parameter a, Parameter b, LinearLayer base, double dropout) {
    super(a, b, "hira_");
    this.base = base;
    this.dropout = dropout;
  }

  @Override
  Tensor factor() {
    return b().matmul(a());
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    DType type = a().dtype();
    Tensor weight = base.denseWeight(type).mul(factor());
    Tensor given = x.to(type);
    Tensor kept = training ? Dropouts.dropout(given, dropout) : given;
    return y.to(type).add(MatrixOps.linear(kept, weight, null));
  }
}
