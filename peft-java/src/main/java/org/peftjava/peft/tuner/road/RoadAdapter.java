package org.peftjava.peft.tuner.road;

import java.util.List;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * RoAd over a linear layer: outputs are grouped, the halves of a group paired, and each pair turned
 * by an angle and scaled: {@code y1 = a (cos(t) x1 - sin(t) x2)}, {@code y2 = a (sin(t) x1 + cos(t)
 * x2)}.
 *
 * <p>Paper: arXiv:2409.00119. Reference: PEFT {@code tuners/road/layer.py::Linear}. Shapes: theta
 * and alpha have o/2 elements (road_1: one for a pair), o (road_2: one for a row of a pair's
 * matrix) or 2o (road_4: one for an element of it).
 */
final class RoadAdapter implements LayerAdapter {
  private final Parameter theta;
  private final Parameter alpha;
  private final RoadVariant variant;
  private final long half;

  RoadAdapter(Parameter theta, Parameter alpha, RoadVariant variant, long groupSize) {
    this.theta = theta;
    this.alpha = alpha;
    this.variant = variant;
    half = groupSize / 2;
  }

  /**
   * The elements of all pairs' matrices, each (groups, group/2): {@code y1 = c1 x1 - s1 x2}, {@code
   * y2 = s2 x1 + c2 x2}.
   */
  private record Turn(Tensor c1, Tensor s1, Tensor s2, Tensor c2) {
    Turn inverse() {
      Tensor det = c1.mul(c2).add(s1.mul(s2));
      return new Turn(c2.div(det), s1.div(det).neg(), s2.div(det).neg(), c1.div(det));
    }

    /** Turns the pairs of (..., o). */
    Tensor apply(Tensor x) {
      Tensor pairs = x.reshape(-1, c1.size(0), 2, c1.size(1));
      Tensor x1 = pairs.select(2, 0);
      Tensor x2 = pairs.select(2, 1);
      Tensor y1 = x1.mul(c1).sub(x2.mul(s1));
      Tensor y2 = x1.mul(s2).add(x2.mul(c2));
      return Creation.stack(List.of(y1, y2), 2).reshape(x.shape().toArray());
    }
  }

  private Turn turn() {
    Tensor angle = theta.tensor().reshape(-1, variant.perPair(), half);
    Tensor scale = alpha.tensor().reshape(-1, variant.perPair(), half);
    Tensor cos = scale.mul(Ops.cos(angle));
    Tensor sin = scale.mul(Ops.sin(angle));
    return new Turn(
        cos.select(1, variant.place(0)),
        sin.select(1, variant.place(2)),
        sin.select(1, variant.place(3)),
        cos.select(1, variant.place(1)));
  }

  @Override
  public List<Weight> weights() {
    return List.of(new Weight("road_theta", "", theta), new Weight("road_alpha", "", alpha));
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    return turn().apply(y.to(theta.dtype()));
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return turned(turn(), weight);
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return turned(turn().inverse(), weight);
  }

  private Tensor turned(Turn turn, Tensor weight) {
    return turn.apply(weight.to(theta.dtype()).t()).t().to(weight.dtype());
  }

  @Override
  public Tensor mergedIntoBias(Tensor bias) {
    return turn().apply(bias.to(theta.dtype())).to(bias.dtype());
  }

  @Override
  public Tensor removedFromBias(Tensor bias) {
    return turn().inverse().apply(bias.to(theta.dtype())).to(bias.dtype());
  }
}
