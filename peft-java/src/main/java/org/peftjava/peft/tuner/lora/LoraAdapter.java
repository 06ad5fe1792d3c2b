package org.peftjava.peft.tuner.lora;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.LowRankUpdate;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * LoRA over a linear layer: {@code y = base(x) + s * (B(A(drop(x))) + c)} with {@code s = alpha/r},
 * or {@code alpha/sqrt(r)} for rsLoRA, and c the optional bias of B.
 *
 * <p>Papers: arXiv:2106.09685, rsLoRA arXiv:2312.03732. Reference: PEFT {@code
 * tuners/lora/layer.py::Linear}; values in golden/custom_layers and golden/opt_lora.
 *
 * <p>Shapes: x (..., d), y (..., o), A (r, d), B (o, r), c (o). The sum is taken in the adapter's
 * type; AdaptedLayer rounds it to the base's.
 */
final class LoraAdapter implements LayerAdapter, LowRank {
  private final Parameter a;
  private final Parameter b;
  private final @Nullable Parameter bias;
  private final double initialScaling;
  private double scaling;
  private final double dropout;
  private final Role roleOfB;

  LoraAdapter(
      Parameter a,
      Parameter b,
      @Nullable Parameter bias,
      double scaling,
      double dropout,
      Role roleOfB) {
    this.a = a;
    this.b = b;
    this.bias = bias;
    this.initialScaling = scaling;
    this.scaling = scaling;
    this.dropout = dropout;
    this.roleOfB = roleOfB;
  }

  @Override
  public Parameter a() {
    return a;
  }

  @Override
  public Parameter b() {
    return b;
  }

  @Override
  public double scaling() {
    return scaling;
  }

  /** The same with another A. */
  LoraAdapter withA(Parameter other) {
    return new LoraAdapter(other, b, bias, scaling, dropout, roleOfB);
  }

  double dropout() {
    return dropout;
  }

  @Override
  public double initialScaling() {
    return initialScaling;
  }

  @Override
  public void scaling(double value) {
    scaling = value;
  }

  Optional<Parameter> bias() {
    return Optional.ofNullable(bias);
  }

  @Override
  public List<Weight> weights() {
    List<Weight> result = new ArrayList<>();
    result.add(new Weight("lora_A", "weight", a));
    result.add(new Weight("lora_B", "weight", b, roleOfB));
    if (bias != null) {
      result.add(new Weight("lora_B", "bias", bias));
    }
    return result;
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    return update(x, y, a.tensor(), training);
  }

  /** The same with another matrix for A. */
  Tensor update(Tensor x, Tensor y, Tensor inward, boolean training) {
    Tensor sum = y;
    if (bias != null) {
      sum = y.to(a.dtype()).add(bias.tensor().mul(scaling));
    }
    return LowRankUpdate.add(sum, x, inward, b.tensor(), scaling, training ? dropout : 0);
  }

  @Override
  public Optional<LowRankUpdate.Matrices> lowRank() {
    return bias == null
        ? Optional.of(new LowRankUpdate.Matrices(a.tensor(), b.tensor(), scaling))
        : Optional.empty();
  }

  @Override
  public Optional<Tensor> weightChange() {
    return bias == null
        ? Optional.of(LoraMath.delta(a.tensor(), b.tensor(), scaling))
        : Optional.empty();
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return weight.addInPlace(LoraMath.delta(a.tensor(), b.tensor(), scaling).to(weight.dtype()));
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return weight.subInPlace(LoraMath.delta(a.tensor(), b.tensor(), scaling).to(weight.dtype()), 1);
  }

  @Override
  public boolean needsBias() {
    return bias != null;
  }

  @Override
  public Tensor mergedIntoBias(Tensor base) {
    return bias == null ? base : base.add(bias.tensor().mul(scaling).to(base.dtype()));
  }

  @Override
  public Tensor removedFromBias(Tensor base) {
    return bias == null ? base : base.sub(bias.tensor().mul(scaling).to(base.dtype()));
  }
}
