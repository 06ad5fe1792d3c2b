package org.peftjava.peft.tuner.osf;

import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * A matrix {@code U diag(S) V}.
 *
 * @param u (o, k)
 * @param s (k)
 * @param v (k, d)
 */
record Parts(Parameter u, Parameter s, Parameter v) {
  /** (..., d) to (..., o), with other tensors in the place of U and V. */
  Tensor times(Tensor x, Tensor otherU, Tensor otherV) {
    return MatrixOps.linear(MatrixOps.linear(x, otherV, null).mul(s.tensor()), otherU, null);
  }

  /** The same with its own. */
  Tensor times(Tensor x) {
    return times(x, u.tensor(), v.tensor());
  }

  /** The matrix (o, d), outside the graph. */
  Tensor dense() {
    return u.tensor().detach().mul(s.tensor().detach()).matmul(v.tensor().detach());
  }
}
