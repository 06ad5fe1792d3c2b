package org.peftjava.peft.tuner.adamss;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.LowRankUpdate;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * AdaMSS over a linear layer: the outputs of cluster k get {@code y_k = base(x)_k + B_k A_k P [x
 * 1]}.
 *
 * <p>Reference: PEFT {@code tuners/adamss/layer.py::Linear}. Shapes: P (r, d + 1), or (r, d) where
 * the layer has no bias, is frozen; A_k (q, r) and B_k (c, q) of a cluster of c outputs.
 */
final class AdamssAdapter implements LayerAdapter {
  private final List<Parameter> a;
  private final List<Parameter> b;
  private final Parameter projection;
  private final Parameter places;
  private final long in;

  /**
   * Of its parts.
   *
   * @param a of each cluster
   * @param b of each cluster
   * @param places of each output among those of all clusters, int64
   * @param in inputs of the layer
   */
  AdamssAdapter(
      List<Parameter> a, List<Parameter> b, Parameter projection, Parameter places, long in) {
    this.a = a;
    this.b = b;
    this.projection = projection;
    this.places = places;
    this.in = in;
  }

  @Override
  public List<Weight> weights() {
    List<Weight> result = new ArrayList<>();
    for (int i = 0; i < a.size(); i++) {
      result.add(new Weight("adamss_A", "" + i, a.get(i)));
      result.add(new Weight("adamss_B", "" + i, b.get(i)));
    }
    result.add(new Weight("adamss_newB", "", projection, Role.BUFFER));
    result.add(new Weight("adamss_places", "", places, Role.DERIVED));
    return result;
  }

  List<Parameter> a() {
    return a;
  }

  List<Parameter> b() {
    return b;
  }

  /** Of all clusters: (sum of q, d + 1). */
  private Tensor down() {
    Tensor all = Creation.cat(a.stream().map(Parameter::tensor).toList(), 0);
    return all.matmul(projection.tensor().to(all.dtype()));
  }

  /** Of all clusters, in the order of the outputs: (o, sum of q). */
  private Tensor up() {
    return LinearAlgebra.blockDiag(b.stream().map(Parameter::tensor).toList())
        .indexSelect(0, places.tensor());
  }

  private boolean hasBias() {
    return projection.shape().get(1) > in;
  }

  private Tensor biasChange(Tensor down, Tensor up) {
    return up.matmul(down.narrow(1, in, 1)).squeeze(-1);
  }

  private Tensor delta() {
    return up().matmul(down().narrow(1, 0, in));
  }

  @Override
  public Optional<Tensor> weightChange() {
    return hasBias() ? Optional.empty() : Optional.of(delta().detach());
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    Tensor down = down();
    Tensor up = up();
    Tensor result = LowRankUpdate.add(y, x, down.narrow(1, 0, in).contiguous(), up, 1, 0);
    if (!hasBias()) {
      return result;
    }
    DType type = down.dtype();
    return result.to(type).add(biasChange(down, up));
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return weight.addInPlace(delta().to(weight.dtype()));
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return weight.subInPlace(delta().to(weight.dtype()), 1);
  }

  @Override
  public Tensor mergedIntoBias(Tensor bias) {
    return hasBias() ? bias.add(biasChange(down(), up()).to(bias.dtype())) : bias;
  }

  @Override
  public Tensor removedFromBias(Tensor bias) {
    return hasBias() ? bias.sub(biasChange(down(), up()).to(bias.dtype())) : bias;
  }
}
