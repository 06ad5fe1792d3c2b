package org.peftjava.peft.tuner.ia3;

import java.util.List;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * IA3 over a linear layer: {@code y = l * base(x)}, or {@code y = base(l * x)} in the feed-forward
 * part.
 *
 * <p>Paper: arXiv:2205.05638. Reference: PEFT {@code tuners/ia3/layer.py::Linear}. Shapes: l (o,
 * 1), or (1, d) in the feed-forward part.
 */
final class IA3Adapter implements LayerAdapter {
  private static final double NO_ZERO = 1e-8; // as in Python: dividing must not meet a zero

  private final Parameter scale;
  private final boolean scalesInput;

  IA3Adapter(Parameter scale, boolean scalesInput) {
    this.scale = scale;
    this.scalesInput = scalesInput;
  }

  private Tensor vector() {
    return scale.tensor().reshape(-1);
  }

  @Override
  public List<Weight> weights() {
    return List.of(new Weight("ia3_l", "", scale));
  }

  @Override
  public Tensor beforeBase(Tensor x, boolean training) {
    return scalesInput ? x.to(scale.dtype()).mul(vector()) : x;
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    return scalesInput ? y : y.to(scale.dtype()).mul(vector());
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return weight.mul(scale.tensor()).to(weight.dtype());
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return weight.div(scale.tensor().add(NO_ZERO)).to(weight.dtype());
  }

  @Override
  public Tensor mergedIntoBias(Tensor bias) {
    return scalesInput ? bias : bias.mul(vector());
  }

  @Override
  public Tensor removedFromBias(Tensor bias) {
    return scalesInput ? bias : bias.div(vector().add(NO_ZERO));
  }
}
