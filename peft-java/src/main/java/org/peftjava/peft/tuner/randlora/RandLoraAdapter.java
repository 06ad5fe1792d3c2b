package org.peftjava.peft.tuner.randlora;

import java.util.List;
import org.peftjava.peft.tuner.DeltaAdapter;
import org.peftjava.torch.LowRankUpdate;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * RandLoRA over a linear layer: the sum of n random matrices {@code B_i diag(l_i) A diag(g_i)} of
 * rank r, of which the diagonals are trained, times {@code s = alpha/r}.
 *
 * <p>Paper: arXiv:2502.00987. Reference: PEFT {@code tuners/randlora/layer.py::Linear}. Shapes:
 * lambda (r, n), gamma (n, min(d, o)); A is applied on the smaller side.
 */
final class RandLoraAdapter extends DeltaAdapter {
  private final Parameter lambda;
  private final Parameter gamma;
  private final Weight a;
  private final Weight b;
  private final long in;
  private final long out;
  private final double scaling;
  private final double dropout;

  RandLoraAdapter(
      Parameter lambda,
      Parameter gamma,
      Weight a,
      Weight b,
      long in,
      long out,
      double scaling,
      double dropout) {
    this.lambda = lambda;
    this.gamma = gamma;
    this.a = a;
    this.b = b;
    this.in = in;
    this.out = out;
    this.scaling = scaling;
    this.dropout = dropout;
  }

  /** In files every layer repeats the shared matrices, as Python writes them. */
  @Override
  public List<Weight> weights() {
    return List.of(
        new Weight("randlora_lambda", "", lambda), new Weight("randlora_gamma", "", gamma), a, b);
  }

  /** Maps to the rank, then to the outputs: (rn, d) and (o, rn). */
  private record Factors(Tensor down, Tensor up) {}

  private Factors factors() {
    long r = lambda.shape().get(0);
    long n = lambda.shape().get(1);
    long small = Math.min(in, out);
    Tensor bases = a.parameter().tensor().narrow(2, 0, small).to(lambda.dtype());
    Tensor scaled = lambda.tensor().unsqueeze(-1).mul(bases).mul(gamma.tensor());
    Tensor onSmall = scaled.reshape(r * n, small);
    Tensor onLarge =
        b.parameter()
            .tensor()
            .narrow(0, 0, Math.max(in, out))
            .narrow(1, 0, n)
            .to(lambda.dtype())
            .reshape(-1, n * r);
    return small == in ? new Factors(onSmall, onLarge) : new Factors(onLarge.t(), onSmall.t());
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    Factors f = factors();
    return LowRankUpdate.add(y, x, f.down, f.up, scaling, training ? dropout : 0);
  }

  @Override
  protected Tensor delta(boolean training) {
    Factors f = factors();
    return f.up.matmul(f.down).mul(scaling);
  }
}
