package org.peftjava.peft.tuner.delora;

import java.util.List;
import org.peftjava.peft.tuner.DeltaAdapter;
import org.peftjava.torch.LowRankUpdate;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * DeLoRA over a linear layer: {@code y = base(x) + B diag(s) A (w * drop(x))} with {@code s_i =
 * lambda / (r |a_i| |b_i|)}, so that every direction has length 1.
 *
 * <p>Paper: arXiv:2503.18225. Reference: PEFT {@code tuners/delora/layer.py::DeloraLinear}. Shapes:
 * A (r, d) with rows a, B (o, r) with columns b, lambda (1), w (d), the lengths of the base
 * weight's columns when the adapter was made. All of them are multiplied into A and B, which are
 * smaller than the activations.
 */
final class DeloraAdapter extends DeltaAdapter {
  private static final double SHORTEST = 1e-4; // as in Python: no division by zero

  private final Parameter a;
  private final Parameter b;
  private final Parameter lambda;
  private final Parameter norms;
  private final double dropout;

  /**
   * @param norms w
   */
  DeloraAdapter(Parameter a, Parameter b, Parameter lambda, Parameter norms, double dropout) {
    this.a = a;
    this.b = b;
    this.lambda = lambda;
    this.norms = norms;
    this.dropout = dropout;
  }

  @Override
  public List<Weight> weights() {
    return List.of(
        new Weight("delora_A", "", a),
        new Weight("delora_B", "", b),
        new Weight("delora_lambda", "", lambda),
        new Weight("delora_w_norm", "", norms, Role.BUFFER));
  }

  private Tensor low() {
    return a.tensor().mul(norms.tensor().to(a.dtype()));
  }

  private Tensor high() {
    Tensor lengths =
        Ops.atLeast(Ops.norm(a.tensor(), 1).t(), SHORTEST)
            .mul(Ops.atLeast(Ops.norm(b.tensor(), 0), SHORTEST)); // (1, r)
    return b.tensor().mul(lambda.tensor().div((double) a.shape().get(0)).div(lengths));
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
