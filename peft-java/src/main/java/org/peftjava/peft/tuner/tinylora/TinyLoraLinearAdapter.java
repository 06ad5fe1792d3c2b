package org.peftjava.peft.tuner.tinylora;

import org.peftjava.torch.LowRankUpdate;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * TinyLoRA over a linear layer: {@code y = base(x) + B R A drop(x)}.
 *
 * <p>Reference: PEFT {@code tuners/tinylora/layer.py::Linear}.
 */
final class TinyLoraLinearAdapter extends TinyLoraAdapter {
  private final double dropout;

  TinyLoraLinearAdapter(Frozen frozen, Parameter v, double dropout) {
    super(frozen, v);
    this.dropout = dropout;
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    return LowRankUpdate.add(y, x, a(), b().matmul(inner()), 1, training ? dropout : 0);
  }
}
