package org.peftjava.peft.tuner.boft;

import java.util.List;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.Rotations;
import org.peftjava.torch.Creation;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Parameter;

/**
 * BOFT over a linear layer: {@code y = s * (x B W^T) + bias}, with a product B of block rotations
 * in different arrangements of the features, {@code B = B_m ... B_1}, and a scale for each output.
 *
 * <p>Paper: arXiv:2311.06243. Reference: PEFT {@code tuners/boft/layer.py::Linear}. Shapes: R (m,
 * n, b, b), whose skew-symmetric parts make the rotations; s (o, 1). No rotation is formed as a
 * matrix of all features.
 */
final class BOFTAdapter implements LayerAdapter {
  private final LinearLayer base;
  private final Butterfly butterfly;
  private final Parameter blocks;
  private final Parameter scale;
  private final double dropout;

  BOFTAdapter(
      LinearLayer base, Butterfly butterfly, Parameter blocks, Parameter scale, double dropout) {
    this.base = base;
    this.butterfly = butterfly;
    this.blocks = blocks;
    this.scale = scale;
    this.dropout = dropout;
  }

  @Override
  public List<Weight> weights() {
    return List.of(new Weight("boft_R", "", blocks), new Weight("boft_s", "", scale));
  }

  @Override
  public boolean lastFirst() {
    return true;
  }

  @Override
  public Tensor beforeBase(Tensor x, boolean training) {
    Tensor rotations = rotations();
    return rotated(x, training && dropout > 0 ? withDropout(rotations) : rotations);
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    Tensor s = scale.tensor().reshape(-1);
    Tensor scaled = y.to(scale.dtype()).mul(s);
    return base.bias()
        .map(bias -> scaled.add(bias.tensor().to(scale.dtype()).mul(s.neg().add(1))))
        .orElse(scaled);
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return turnedBack(weight.to(blocks.dtype()), rotations())
        .mul(scale.tensor())
        .to(weight.dtype());
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return rotated(weight, rotations()).div(scale.tensor()).to(weight.dtype());
  }

  /** (m n, b, b). */
  private Tensor rotations() {
    Tensor r = blocks.tensor().reshape(-1, butterfly.block(), butterfly.block());
    return Rotations.cayley(r.sub(r.transpose(1, 2)).mul(0.5));
  }

  private Tensor of(Tensor rotations, int arrangement) {
    return rotations.narrow(0, (long) arrangement * butterfly.count(), butterfly.count());
  }

  /** {@code x B_m ... B_1}. */
  private Tensor rotated(Tensor x, Tensor rotations) {
    Tensor result = x.to(blocks.dtype());
    for (int i = butterfly.arrangements() - 1; i >= 0; i--) {
      result = turned(result, of(rotations, i), i);
    }
    return result;
  }

  /** {@code x B_1^T ... B_m^T}. */
  private Tensor turnedBack(Tensor x, Tensor rotations) {
    Tensor result = x;
    for (int i = 0; i < butterfly.arrangements(); i++) {
      result = turned(result, of(rotations, i).transpose(1, 2), i);
    }
    return result;
  }

  private Tensor turned(Tensor x, Tensor rotations, int arrangement) {
    if (arrangement == 0) {
      return Rotations.rotate(x, rotations);
    }
    long[] order = butterfly.order(arrangement);
    Tensor there = Creation.ofLongs(Butterfly.reverse(order), order.length).to(x.device());
    Tensor back = Creation.ofLongs(order, order.length).to(x.device());
    return Rotations.rotate(x.indexSelect(-1, there), rotations).indexSelect(-1, back);
  }

  /** As in Python: a share of the blocks of one arrangement, drawn by lot, does not rotate. */
  private Tensor withDropout(Tensor rotations) {
    int count = butterfly.count();
    long dropped = (long) (dropout * count);
    if (dropped == 0) {
      return rotations;
    }
    Tensor draw = Creation.zeros(scale.dtype(), count + 1L).uniformInPlace(0, 1);
    double lot = draw.narrow(0, count, 1).toDouble();
    long first = (long) (lot * butterfly.arrangements()) * count;
    Tensor which = Ops.topK(draw.narrow(0, 0, count), dropped).indices().add(first);
    Tensor mask =
        Creation.zeros(rotations.dtype(), rotations.size(0), 1, 1)
            .indexFillInPlace(0, which, 1)
            .to(rotations.device());
    Tensor identity =
        LinearAlgebra.identity(rotations.dtype(), rotations.device(), butterfly.block());
    return rotations.mul(mask.neg().add(1)).add(mask.mul(identity));
  }
}
