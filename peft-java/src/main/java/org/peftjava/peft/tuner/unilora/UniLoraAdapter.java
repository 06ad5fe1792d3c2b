package org.peftjava.peft.tuner.unilora;

import java.util.List;
import java.util.Optional;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.LowRankUpdate;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * Uni-LoRA over a linear layer: {@code y = base(x) + B A drop(x)}, where each element of A and B is
 * a number of the trained vector t, scaled: {@code A_ij = s_ij t[k_ij]}.
 *
 * <p>Reference: PEFT {@code tuners/unilora/layer.py::Linear}. Shapes: t (n) is shared by all
 * layers; indices k and scales s, which are frozen, (r, d) of A and (o, r) of B.
 */
final class UniLoraAdapter implements LayerAdapter {
  private final Parameter vector;
  private final UniLoraPlaces a;
  private final UniLoraPlaces b;
  private final double dropout;
  private final Role role;

  UniLoraAdapter(
      Parameter vector, UniLoraPlaces a, UniLoraPlaces b, double dropout, boolean isSaved) {
    this.vector = vector;
    this.a = a;
    this.b = b;
    this.dropout = dropout;
    role = isSaved ? Role.BUFFER : Role.DERIVED;
  }

  @Override
  public List<Weight> weights() {
    return List.of(
        new Weight("unilora_indices_A", "", a.indices(), role),
        new Weight("unilora_indices_B", "", b.indices(), role),
        new Weight("unilora_scales_A", "", a.scales(), role),
        new Weight("unilora_scales_B", "", b.scales(), role));
  }

  private Tensor down() {
    return a.filled(vector.tensor());
  }

  private Tensor up() {
    return b.filled(vector.tensor());
  }

  @Override
  public Optional<Tensor> weightChange() {
    return Optional.of(up().matmul(down()).detach());
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    return LowRankUpdate.add(y, x, down(), up(), 1, training ? dropout : 0);
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return weight.addInPlace(up().matmul(down()).to(weight.dtype()));
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return weight.subInPlace(up().matmul(down()).to(weight.dtype()), 1);
  }
}
