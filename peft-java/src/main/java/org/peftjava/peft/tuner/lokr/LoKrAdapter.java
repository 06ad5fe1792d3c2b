package org.peftjava.peft.tuner.lokr;

import java.util.List;
import java.util.stream.Stream;
import org.peftjava.peft.tuner.RankDropout;
import org.peftjava.peft.tuner.ScaledDeltaAdapter;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.Tensor;

/**
 * LoKr over a linear layer: {@code D = s W1 (x) W2}, the Kronecker product, with {@code s =
 * alpha/r}.
 *
 * <p>Papers: arXiv:2108.06098, LyCORIS arXiv:2309.14859. Reference: PEFT {@code
 * tuners/lokr/layer.py}. Shapes: W1 (a, c), W2 (b, e) for o = ab outputs and d = ce inputs. In the
 * forward pass D is never formed: x, seen as a matrix (c, e), becomes {@code W1 x W2^T}.
 */
final class LoKrAdapter extends ScaledDeltaAdapter {
  private final LoKrFactor left;
  private final LoKrFactor right;
  private final RankDropout dropout;

  LoKrAdapter(LoKrFactor left, LoKrFactor right, double scaling, RankDropout dropout) {
    super(scaling);
    this.left = left;
    this.right = right;
    this.dropout = dropout;
  }

  @Override
  public List<Weight> weights() {
    return Stream.concat(left.weights().stream(), right.weights().stream()).toList();
  }

  @Override
  protected Tensor delta(boolean training) {
    return LinearAlgebra.kron(left.matrix(), right.matrix()).mul(scaling());
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    if (training && dropout.skipsModule()) {
      return y;
    }
    Tensor w1 = left.weights().get(left.weights().size() - 1).parameter().tensor(); // (., c)
    long c = w1.size(1);
    long e = x.size(-1) / c;
    long n = x.numel() / x.size(-1);
    Tensor narrow = right.apply(x.to(w1.dtype()).reshape(n * c, e)); // (nc, b)
    long b = narrow.size(-1);
    Tensor turned = narrow.reshape(n, c, b).transpose(1, 2).reshape(n * b, c);
    Tensor update = left.apply(turned).reshape(n, b, -1).transpose(1, 2); // (n, a, b)
    update = update.reshape(y.shape().toArray());
    return y.to(w1.dtype()).add(training ? dropout.applyToOutput(update) : update, scaling());
  }
}
