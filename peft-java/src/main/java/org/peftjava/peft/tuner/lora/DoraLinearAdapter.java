package org.peftjava.peft.tuner.lora;

import java.util.Optional;
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
  private final Parameter a;
  private final Parameter b;
  private final double scaling;
  private final double dropout;

  DoraLinearAdapter(LinearLayer base, LoraAdapter lora, Parameter magnitude) {
    super(lora.weights(), magnitude, 1);
    this.base = base;
    a = lora.a();
    b = lora.b();
    scaling = lora.scaling();
    dropout = lora.dropout();
  }

  @Override
  Tensor baseWeight() {
    return base.denseWeight(a.dtype());
  }

  @Override
  Tensor addDelta(Tensor weight, double sign) {
    MatrixOps.addmmInto(weight, b.tensor().detach(), a.tensor().detach(), 1, sign * scaling);
    return weight;
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    Tensor factor = factor();
    Tensor input = x.to(a.dtype());
    Tensor sum = y.to(a.dtype());
    if (training && dropout > 0) {
      input = Dropouts.dropout(input, dropout);
      Tensor again = withoutBias(base.forward(input.to(x.dtype())).to(a.dtype()));
      sum = sum.add(again.mul(factor.add(-1)));
    } else {
      sum = sum.mul(factor);
      Optional<Parameter> bias = base.bias();
      if (bias.isPresent()) {
        sum = sum.sub(bias.get().tensor().to(a.dtype()).mul(factor.add(-1)));
      }
    }
    Tensor scaledB = b.tensor().mul(factor.unsqueeze(1));
    return LowRankUpdate.add(sum, input, a.tensor(), scaledB, scaling, 0);
  }

  private Tensor withoutBias(Tensor y) {
    return base.bias().map(bias -> y.sub(bias.tensor().to(y.dtype()))).orElse(y);
  }
}
