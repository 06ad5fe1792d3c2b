package org.peftjava.peft.tuner.psoft;

import java.util.ArrayList;
import java.util.List;
import org.peftjava.peft.tuner.LayerAdapter.Weight;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.Rotations;
import org.peftjava.torch.Creation;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;

/**
 * The trained matrix {@code diag(b) R diag(a)}, (r, r): R is the rotation {@code (I + Q) (I -
 * Q)^-1} of a skew-symmetric Q, or a free matrix.
 *
 * <p>Reference: PEFT {@code tuners/psoft/layer.py::OrthLayer}. Shapes: what stands above Q's
 * diagonal (r(r-1)/2), or R (r, r); a and b (r), either of which may be missing.
 */
final class PsoftRotation {
  private static final String GROUP = "psoft_R";
  private static final double DEVIATION = 0.1;
  private static final double TINY = 1e-12;

  private final PsoftConfig config;
  private final Parameter weight;
  private final List<Parameter> rows; // one or none
  private final List<Parameter> columns;

  PsoftRotation(LayerSite site, PsoftConfig config) {
    this.config = config;
    int r = config.r();
    boolean quiet = config.initWeights();
    weight =
        config.psoftOrth()
            ? site.parameter(quiet ? Init.zeros() : Init.normal(DEVIATION), r * (r - 1L) / 2)
            : site.parameter(nearIdentity(quiet ? 0 : DEVIATION), r, r);
    rows = config.psoftMagB() ? List.of(site.parameter(Init.ones(), r)) : List.of();
    columns = config.psoftMagA() ? List.of(site.parameter(Init.ones(), r)) : List.of();
  }

  private static Init nearIdentity(double deviation) {
    return tensor -> {
      tensor.copyInPlace(LinearAlgebra.identity(tensor.dtype(), tensor.device(), tensor.size(0)));
      tensor.addInPlace(
          Creation.randn(tensor.dtype(), tensor.shape().toArray()).to(tensor.device()), deviation);
    };
  }

  List<Weight> weights() {
    List<Weight> result = new ArrayList<>();
    result.add(new Weight(GROUP, "weight", weight));
    rows.forEach(vector -> result.add(new Weight(GROUP, "vector_b", vector)));
    columns.forEach(vector -> result.add(new Weight(GROUP, "vector_a", vector)));
    return result;
  }

  /** The matrix. */
  Tensor matrix() {
    Tensor result = config.psoftOrth() ? rotation() : weight.tensor();
    for (Parameter vector : rows) {
      result = vector.tensor().unsqueeze(1).mul(result);
    }
    for (Parameter vector : columns) {
      result = result.mul(vector.tensor());
    }
    return result;
  }

  private Tensor rotation() {
    int r = config.r();
    Tensor q = Rotations.skew(weight.tensor().unsqueeze(0), r);
    Tensor result =
        config.useCayleyNeumann()
            ? Rotations.cayleySeries(bounded(q), config.numCayleyNeumannTerms())
            : Rotations.cayley(q.neg());
    return result.reshape(r, r);
  }

  private Tensor bounded(Tensor q) {
    if (config.cayleyNeumannEps().isEmpty()) {
      return q;
    }
    double eps = config.cayleyNeumannEps().getAsDouble();
    double norm = q.detach().pow(2).sum().sqrt().toDouble();
    if (!(Double.isFinite(norm) && norm > eps)) {
      return q;
    }
    return q.div(q.pow(2).sum().sqrt().add(TINY)).mul(eps);
  }
}
