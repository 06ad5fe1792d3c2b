package org.peftjava.peft.tuner.lora;

import java.util.Optional;
import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.LowRankUpdate;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Parameter;

/**
 * DoRA over a linear layer: {@code y = f * x (W + D)^T + bias} with f of {@link DoraAdapter}.
 *
 * <p>Without dropout the base's output serves as {@code x W^T}; with it, the base works a second
 * time on the dropped input: {@code y = base(x) + (f - 1) * drop(x) W^T + f * drop(x) D^T}.
 *
 * <p>Shapes: x (..., d), y (..., o), A (r, d), B (o, r), m (o).
 */
final class DoraLinearAdapter extends DoraAdapter {
  private final LinearLayer base;
  private final LoraAdapter lora;

  DoraLinearAdapter(LinearLayer base, LoraAdapter lora, Parameter magnitude) {
    super(lora, lora.weights(), magnitude, 1);
    this.base = base;
    this.lora = lora;
  }

  @Override
  Tensor baseWeight() {
    return base.denseWeight(type());
  }

  @Override
  Tensor addDelta(Tensor weight, double sign) {
    Tensor a = lora.a().tensor().detach();
    Tensor b = lora.b().tensor().detach();
    MatrixOps.addmmInto(weight, b, a, 1, sign * lora.scaling());
    return weight;
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    Tensor factor = factor();
    Tensor input = x.to(type());
    Tensor sum = y.to(type());
    if (training && lora.dropout() > 0) {
      input = Dropouts.dropout(input, lora.dropout());
      Tensor again = withoutBias(base.forward(input.to(x.dtype())).to(type()));
      sum = sum.add(again.mul(factor.add(-1)));
    } else {
      sum = sum.mul(factor);
      Optional<Parameter> bias = base.bias();
      if (bias.isPresent()) {
        sum = sum.sub(bias.get().tensor().to(type()).mul(factor.add(-1)));
      }
    }
    Tensor scaledB = lora.b().tensor().mul(factor.unsqueeze(1));
    return LowRankUpdate.add(sum, input, lora.a().tensor(), scaledB, lora.scaling(), 0);
  }

  /** {@code f (W + D) - W}: as much as the magnitude changes, unlike in PEFT, which gives D. */
  @Override
  public Optional<Tensor> weightChange() {
    Tensor sum = addDelta(baseWeight(), 1).mulInPlace(factor().detach().unsqueeze(1));
    return Optional.of(sum.subInPlace(baseWeight(), 1));
  }

  private DType type() {
    return lora.a().dtype();
  }

  private Tensor withoutBias(Tensor y) {
    return base.bias().map(bias -> y.sub(bias.tensor().to(y.dtype()))).orElse(y);
  }
}
