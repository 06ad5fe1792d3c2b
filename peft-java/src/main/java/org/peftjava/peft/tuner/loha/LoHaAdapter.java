package org.peftjava.peft.tuner.loha;

import java.util.List;
import org.peftjava.peft.tuner.RankDropout;
import org.peftjava.peft.tuner.ScaledDeltaAdapter;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * LoHa over a linear layer: {@code D = s (A1 B1) * (A2 B2)}, elementwise, with {@code s = alpha/r}.
 *
 * <p>Papers: FedPara arXiv:2108.06098, LyCORIS arXiv:2309.14859. Reference: PEFT {@code
 * tuners/loha/layer.py}. Shapes: A (o, r), B (r, d).
 */
final class LoHaAdapter extends ScaledDeltaAdapter {
  private final List<Parameter> factors;
  private final RankDropout dropout;

  LoHaAdapter(List<Parameter> factors, double scaling, RankDropout dropout) {
    super(scaling);
    this.factors = List.copyOf(factors);
    this.dropout = dropout;
  }

  @Override
  public List<Weight> weights() {
    return List.of(
        new Weight("hada_w1_a", "", factors.get(0)),
        new Weight("hada_w1_b", "", factors.get(1)),
        new Weight("hada_w2_a", "", factors.get(2)),
        new Weight("hada_w2_b", "", factors.get(3)));
  }

  @Override
  protected Tensor delta(boolean training) {
    Tensor product = product(0).mul(product(2)).mul(scaling());
    return training ? dropout.apply(product) : product;
  }

  private Tensor product(int first) {
    return factors.get(first).tensor().matmul(factors.get(first + 1).tensor());
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    return training && dropout.skipsModule() ? y : super.afterBase(x, y, training);
  }
}
