package org.peftjava.peft.tuner.frod;

import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.UnmergedWeight;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Parameter;

/**
 * FRoD over a linear layer: the weight W = U diag(l) V^T becomes {@code U (diag(l) + S) V^T}, with
 * a sparse S. l and the numbers of S are trained.
 *
 * <p>Reference: PEFT {@code tuners/frod/layer.py::Linear}; values in golden/tuner_frod*. Shapes: U
 * (o, d) and V (d, d) as in {@link Factors}, l (d), S (d, d) with n numbers at places (2, n), which
 * layers share. Computed in the type of the input.
 */
final class FrodAdapter implements LayerAdapter {
  private final LinearLayer layer;
  private final Factors factors;
  private final Parameter places;
  private final Parameter lengths;
  private final Parameter numbers;
  private final double dropout;
  private final UnmergedWeight unmerged = new UnmergedWeight();

  FrodAdapter(
      LinearLayer layer,
      Factors factors,
      Parameter places,
      Parameter lengths,
      Parameter numbers,
      double dropout) {
    this.layer = layer;
    this.factors = factors;
    this.places = places;
    this.lengths = lengths;
    this.numbers = numbers;
    this.dropout = dropout;
  }

  @Override
  public List<Weight> weights() {
    return List.of(
        new Weight("frod_lambda_l", "", lengths),
        new Weight("frod_lambda_s_values", "", numbers),
        new Weight("frod_U", "", factors.parameter(), Role.DERIVED));
  }

  /** {@code diag(l) + S} (d, d), in the graph. */
  private Tensor core() {
    long d = lengths.numel();
    DType type = lengths.dtype();
    Device device = lengths.tensor().device();
    Tensor at = places.tensor();
    Tensor sparse = at.select(0, 0).mul(whole(d, device)).add(at.select(0, 1));
    Tensor diagonal = Creation.arange(0, d, device).mul(whole(d + 1, device));
    Tensor index = Creation.cat(List.of(diagonal, sparse), 0);
    Tensor values = Creation.cat(List.of(lengths.tensor(), numbers.tensor()), 0);
    Tensor zeros = Creation.zeros(type, device, d * d);
    return Ops.scatterAdd(zeros, 0, index, values).reshape(d, d);
  }

  private static Tensor whole(long value, Device device) {
    return Creation.ofLongs(new long[] {value}, 1).to(device);
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    return afterBase(x, y, y, training);
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, Tensor base, boolean training) {
    DType type = x.dtype();
    boolean drops = training && dropout > 0;
    Tensor input = drops ? Dropouts.dropout(x, dropout) : x;
    Tensor inBasis = input.matmul(factors.basis().to(type));
    Tensor turned = MatrixOps.linear(inBasis, core().to(type), null);
    Tensor own = MatrixOps.linear(turned, factors.left().to(type), null);
    if (!drops && y == base) { // the weight's place is taken: nothing of the base but its bias
      return layer.bias().map(bias -> own.add(bias.tensor().to(type))).orElse(own);
    }
    Tensor replaced = drops ? layer.forward(input) : base;
    Tensor change = own.sub(replaced.to(type));
    Tensor sum = y.to(type).add(change);
    return layer.bias().map(bias -> sum.add(bias.tensor().to(type))).orElse(sum);
  }

  private Tensor adapted() {
    DType type = lengths.dtype();
    Tensor left = factors.left().detach().to(type);
    return left.matmul(core().detach()).matmul(factors.basis().detach().to(type).t());
  }

  @Override
  public Optional<Tensor> weightChange() {
    Tensor now = adapted();
    return Optional.of(now.sub(layer.denseWeight(now.dtype())));
  }

  @Override
  public void prepareMerge(Supplier<Tensor> weight) {
    factors.left(); // while the layer's weight is the base's
    unmerged.keep(weight);
  }

  private Tensor change(Tensor weight) {
    Tensor now = adapted();
    return now.sub(unmerged.like(weight).to(now.dtype())).to(weight.dtype());
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return weight.addInPlace(change(weight));
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return weight.subInPlace(change(weight), 1);
  }

  @Override
  public void afterUnmerge() {
    unmerged.drop();
  }
}
