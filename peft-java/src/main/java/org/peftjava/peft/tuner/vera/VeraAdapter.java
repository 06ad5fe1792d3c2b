package org.peftjava.peft.tuner.vera;

import java.util.List;
import org.peftjava.peft.tuner.DeltaAdapter;
import org.peftjava.torch.LowRankUpdate;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * VeRA over a linear layer: {@code y = base(x) + b * (B (d * (A drop(x))))}, with {@code *}
 * elementwise.
 *
 * <p>Paper: arXiv:2310.11454. Reference: PEFT {@code tuners/vera/layer.py::Linear}. Shapes: A (r,
 * D) and B (O, r) are shared by all layers and frozen; a layer takes the first d columns of A and
 * the first o rows of B. Trained are d (r) and b (o). They are multiplied into B, which is smaller
 * than the activations, so that the pass is that of LoRA.
 */
final class VeraAdapter extends DeltaAdapter {
  private final Parameter a;
  private final Parameter b;
  private final Parameter inner;
  private final Parameter outer;
  private final long in;
  private final double dropout;

  /**
   * @param a shared A
   * @param b shared B
   * @param inner d, of the low-rank features
   * @param outer b, of the outputs
   */
  VeraAdapter(Parameter a, Parameter b, Parameter inner, Parameter outer, long in, double dropout) {
    this.a = a;
    this.b = b;
    this.inner = inner;
    this.outer = outer;
    this.in = in;
    this.dropout = dropout;
  }

  @Override
  public List<Weight> weights() {
    return List.of(new Weight("vera_lambda_b", "", outer), new Weight("vera_lambda_d", "", inner));
  }

  private Tensor low() {
    return a.tensor().narrow(1, 0, in).to(inner.dtype()).contiguous();
  }

  private Tensor high() {
    Tensor rows = b.tensor().narrow(0, 0, outer.numel()).to(inner.dtype());
    return rows.mul(inner.tensor()).mul(outer.tensor().reshape(-1, 1));
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    return LowRankUpdate.add(y, x, low(), high(), 1, training ? dropout : 0);
  }

  @Override
  protected Tensor delta(boolean training) {
    return high().matmul(low());
  }
}
