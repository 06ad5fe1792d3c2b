package org.peftjava.peft.tuner.lora;

import java.util.List;
import java.util.Optional;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.LinearAlgebra.Svd;
import org.peftjava.torch.Tensor;

/**
 * LoftQ, arXiv:2310.08659: A and B make up for the error of quantizing the base weight, which
 * becomes {@code Q(W - B A)}: what it will be after quantization, in full precision.
 *
 * <p>As in Python, the scaling is not divided out: choose alpha equal to r. Reference: PEFT {@code
 * loftq_utils.py::loftq_init}.
 *
 * @param rounding quantizes a weight and reads it back
 * @param bits 4 or 8
 * @param iterations of quantizing and decomposing, 1 or more
 */
record LoftqStart(WeightRounding rounding, int bits, int iterations) {
  /** First values for this weight (o, d), float32. */
  LoraStart start(Tensor w, int r) {
    LoraStart low = lowRank(w.sub(rounding.rounded(w, bits)), r);
    List<Tensor> before = List.of();
    for (int i = 1; i < iterations; i++) {
      before = List.of(low.a(), low.b());
      low = lowRank(w.sub(rest(w, before)), r);
    }
    List<Tensor> last = before;
    return new LoraStart(low.a(), low.b(), Optional.of(weight -> rest(weight, last)), last);
  }

  /** {@code Q(W - B A)} with the factors (A, B) before the last ones, or Q(W). */
  private Tensor rest(Tensor w, List<Tensor> factors) {
    Tensor left = factors.isEmpty() ? w : w.sub(factors.get(1).matmul(factors.get(0)));
    return rounding.rounded(left, bits);
  }

  /** The best approximation of rank r. */
  static LoraStart lowRank(Tensor rest, int r) {
    Svd svd = LinearAlgebra.svd(rest);
    Tensor root = svd.s().narrow(0, 0, r).sqrt();
    return LoraStart.beside(
        svd.vh().narrow(0, 0, r).mul(root.unsqueeze(1)),
        svd.u().narrow(1, 0, r).mul(root.unsqueeze(0)));
  }
}
