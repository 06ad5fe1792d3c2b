package org.peftjava.peft.tuner.beft;

import java.util.List;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * BEFT over a linear layer: {@code y = base(x) + b}.
 *
 * <p>Paper: arXiv:2509.15974. Reference: PEFT {@code tuners/beft/layer.py}. Shape: b (1, o).
 */
final class BeftAdapter implements LayerAdapter {
  private final Parameter bias;

  BeftAdapter(Parameter bias) {
    this.bias = bias;
  }

  @Override
  public List<Weight> weights() {
    return List.of(new Weight("beft_bias", "", bias));
  }

  private Tensor vector() {
    return bias.tensor().reshape(-1);
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    return y.to(bias.dtype()).add(vector());
  }

  @Override
  public boolean needsBias() {
    return true;
  }

  @Override
  public boolean keepsTies() {
    return true;
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return weight;
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return weight;
  }

  @Override
  public Tensor mergedIntoBias(Tensor base) {
    return base.add(vector()).to(base.dtype());
  }

  @Override
  public Tensor removedFromBias(Tensor base) {
    return base.sub(vector()).to(base.dtype());
  }
}
