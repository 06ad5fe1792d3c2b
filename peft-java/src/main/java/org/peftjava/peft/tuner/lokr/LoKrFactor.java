package org.peftjava.peft.tuner.lokr;

import java.util.List;
import org.peftjava.peft.tuner.LayerAdapter.Weight;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;

/**
 * One factor M of the Kronecker product: a matrix (p, q), or A (p, r) and B (r, q) with {@code M =
 * A B}.
 *
 * @param weights M, or A and B
 */
record LoKrFactor(List<Weight> weights) {
  /** M, in the graph. */
  Tensor matrix() {
    Tensor first = weights.get(0).parameter().tensor();
    return weights.size() == 1 ? first : first.matmul(weights.get(1).parameter().tensor());
  }

  /** {@code z M^T} for z (..., q): (..., p). */
  Tensor apply(Tensor z) {
    Tensor result = z;
    for (int i = weights.size() - 1; i >= 0; i--) {
      result = MatrixOps.linear(result, weights.get(i).parameter().tensor(), null);
    }
    return result;
  }
}
