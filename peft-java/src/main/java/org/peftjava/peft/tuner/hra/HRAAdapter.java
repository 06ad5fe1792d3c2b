package org.peftjava.peft.tuner.hra;

import java.util.List;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * HRA over a linear layer: {@code y = base(x H_r ... H_1)} with reflections {@code H = I - 2 u
 * u^T}.
 *
 * <p>Paper: arXiv:2405.17484. Reference: PEFT {@code tuners/hra/layer.py::HRALinear}. Shapes: U (d,
 * r), whose columns are made unit vectors u. The product of reflections is never formed: it is
 * {@code I - U T U^T} with an upper triangular T (r, r), whose inverse has 1/2 on its diagonal and
 * {@code U^T U} above it (Schreiber and Van Loan, 1989). Orthogonal vectors make T twice the
 * identity.
 */
final class HRAAdapter implements LayerAdapter {
  private final Parameter vectors;
  private final boolean orthogonal;

  HRAAdapter(Parameter vectors, boolean orthogonal) {
    this.vectors = vectors;
    this.orthogonal = orthogonal;
  }

  @Override
  public List<Weight> weights() {
    return List.of(new Weight("hra_u", "", vectors));
  }

  @Override
  public boolean lastFirst() {
    return true;
  }

  @Override
  public Tensor beforeBase(Tensor x, boolean training) {
    return reflected(x, true);
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    return y;
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return reflected(weight, false).to(weight.dtype());
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return reflected(weight, true).to(weight.dtype());
  }

  /** {@code x H_1 ... H_r}, or the other way round. */
  private Tensor reflected(Tensor x, boolean backwards) {
    Tensor rows = x.to(vectors.dtype()).reshape(-1, x.size(-1));
    Tensor u = vectors.tensor();
    Tensor change;
    if (orthogonal) {
      Tensor q = LinearAlgebra.qr(u).q(); // the signs of its columns do not matter
      change = rows.matmul(q).matmul(q.t()).mul(2);
    } else {
      Tensor unit = u.div(Ops.norm(u, 0));
      Tensor inverse = inverseOfT(unit.t().matmul(unit));
      Tensor turned = backwards ? inverse.t() : inverse;
      change = rows.matmul(unit).matmul(LinearAlgebra.solve(turned, unit.t()));
    }
    return rows.sub(change).reshape(x.shape().toArray());
  }

  private static Tensor inverseOfT(Tensor products) {
    long r = products.size(0);
    Tensor half = LinearAlgebra.identity(products.dtype(), products.device(), r).mulInPlace(0.5);
    return Ops.triu(products, 1).add(half);
  }
}
