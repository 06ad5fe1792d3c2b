package org.peftjava.peft.tuner.peanut;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.UnmergedWeight;
import org.peftjava.torch.DType;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Parameter;

/**
 * PEANuT over a linear layer: {@code y = base(x) + x N(W^T)} times the scaling, where the network N
 * reads each column of the weight: {@code f(W^T A^T)}, hidden layers with residuals, B.
 *
 * <p>Paper: arXiv:2410.01870. Reference: PEFT {@code tuners/peanut/layer.py}. Shapes: A (r, o), B
 * (o, r), hidden layers (r, r), W (o, d).
 */
final class PeanutAdapter implements LayerAdapter {
  private final Parameter first;
  private final Parameter last;
  private final List<Parameter> encoders;
  private final List<Parameter> decoders;
  private final LinearLayer base;
  private final Layer activation;
  private final double scaling;
  private final UnmergedWeight unmerged = new UnmergedWeight();

  /**
   * Of its parts.
   *
   * @param ends A and B
   * @param encoders the hidden layers before whose results are kept
   * @param decoders those to whose results they are added, last first; as many
   */
  PeanutAdapter(
      List<Parameter> ends,
      List<Parameter> encoders,
      List<Parameter> decoders,
      LinearLayer base,
      Layer activation,
      double scaling) {
    first = ends.get(0);
    last = ends.get(1);
    this.encoders = encoders;
    this.decoders = decoders;
    this.base = base;
    this.activation = activation;
    this.scaling = scaling;
  }

  @Override
  public List<Weight> weights() {
    List<Weight> result = new ArrayList<>();
    result.add(new Weight("peanut_A", "weight", first));
    result.add(new Weight("peanut_B", "weight", last));
    for (int i = 0; i < encoders.size(); i++) {
      result.add(new Weight("peanut_encoders", i + ".weight", encoders.get(i)));
      result.add(new Weight("peanut_decoders", i + ".weight", decoders.get(i)));
    }
    return result;
  }

  private Tensor layer(Tensor x, Parameter weight) {
    return activation.forward(MatrixOps.linear(x, weight.tensor(), null));
  }

  /** The update, transposed: (d, o), of a weight (o, d) in the adapter's type. */
  private Tensor change(Tensor weight) {
    List<Tensor> kept = new ArrayList<>();
    Tensor hidden = layer(weight.t().contiguous(), first);
    for (Parameter encoder : encoders) {
      kept.add(hidden);
      hidden = layer(hidden, encoder);
    }
    for (Parameter decoder : decoders) {
      hidden = layer(hidden, decoder).add(kept.remove(kept.size() - 1));
    }
    return MatrixOps.linear(hidden, last.tensor(), null).mul(scaling);
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    DType type = first.dtype();
    return y.to(type).add(x.to(type).matmul(change(base.denseWeight(type))));
  }

  @Override
  public void prepareMerge(Supplier<Tensor> weight) {
    unmerged.keep(weight);
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return weight.addInPlace(mergedChange(weight));
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return weight.subInPlace(mergedChange(weight), 1);
  }

  @Override
  public void afterUnmerge() {
    unmerged.drop();
  }

  private Tensor mergedChange(Tensor weight) {
    return change(unmerged.like(weight).to(first.dtype())).t().to(weight.dtype());
  }
}
