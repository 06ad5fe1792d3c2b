package org.peftjava.peft.tuner.psoft;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.DType;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.LowRankUpdate;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * PSOFT over a linear layer: {@code y = base(x) + s B (R - I) A drop(x)}, where B A is the part of
 * the weight in its principal subspace, divided by s.
 *
 * <p>Reference: PEFT {@code tuners/psoft/layer.py::Linear}. Shapes: A (r, d) and B (o, r) are
 * frozen and made again from the weight; R (r, r) is trained.
 */
final class PsoftAdapter implements LayerAdapter {
  private final Parameter a;
  private final Parameter b;
  private final PsoftRotation rotation;
  private final double scaling;
  private final double dropout;

  PsoftAdapter(Parameter a, Parameter b, PsoftRotation rotation, double scaling, double dropout) {
    this.a = a;
    this.b = b;
    this.rotation = rotation;
    this.scaling = scaling;
    this.dropout = dropout;
  }

  @Override
  public List<Weight> weights() {
    List<Weight> result = new ArrayList<>(rotation.weights());
    result.add(new Weight("_psoft_A_cache", "", a, Role.DERIVED));
    result.add(new Weight("_psoft_B_cache", "", b, Role.DERIVED));
    return result;
  }

  private Tensor down(DType type) {
    return a.tensor().to(type);
  }

  /** {@code B (R - I)}. */
  private Tensor up(Tensor matrix) {
    DType type = matrix.dtype();
    Tensor change = matrix.sub(LinearAlgebra.identity(type, matrix.device(), matrix.size(0)));
    return b.tensor().to(type).matmul(change);
  }

  private Tensor delta() {
    Tensor matrix = rotation.matrix();
    return up(matrix).matmul(down(matrix.dtype())).mul(scaling);
  }

  @Override
  public Optional<Tensor> weightChange() {
    return Optional.of(delta().detach());
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    Tensor matrix = rotation.matrix();
    return LowRankUpdate.add(
        y, x, down(matrix.dtype()), up(matrix), scaling, training ? dropout : 0);
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return weight.addInPlace(delta().to(weight.dtype()));
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return weight.subInPlace(delta().to(weight.dtype()), 1);
  }
}
