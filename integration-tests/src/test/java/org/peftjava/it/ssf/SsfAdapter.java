package org.peftjava.it.ssf;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/** {@code y = scale * base(x) + shift}; scale and shift (o). */
final class SsfAdapter implements LayerAdapter {
  private final Parameter scale;
  private final @Nullable Parameter shift;

  SsfAdapter(Parameter scale, @Nullable Parameter shift) {
    this.scale = scale;
    this.shift = shift;
  }

  @Override
  public List<Weight> weights() {
    List<Weight> result = new ArrayList<>();
    result.add(new Weight("ssf_scale", "", scale));
    if (shift != null) {
      result.add(new Weight("ssf_shift", "", shift));
    }
    return result;
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    Tensor scaled = y.to(scale.dtype()).mul(scale.tensor());
    return shift == null ? scaled : scaled.add(shift.tensor());
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return weight.mul(scale.tensor().unsqueeze(1).to(weight.dtype()));
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return weight.div(scale.tensor().unsqueeze(1).to(weight.dtype()));
  }

  @Override
  public boolean needsBias() {
    return shift != null;
  }

  @Override
  public Tensor mergedIntoBias(Tensor bias) {
    Tensor scaled = bias.mul(scale.tensor().to(bias.dtype()));
    return shift == null ? scaled : scaled.add(shift.tensor().to(bias.dtype()));
  }

  @Override
  public Tensor removedFromBias(Tensor bias) {
    Tensor plain = shift == null ? bias : bias.sub(shift.tensor().to(bias.dtype()));
    return plain.div(scale.tensor().to(bias.dtype()));
  }
}
