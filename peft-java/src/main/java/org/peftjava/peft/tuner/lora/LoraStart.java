package org.peftjava.peft.tuner.lora;

import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.LinearAlgebra.Svd;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;

/**
 * First values of A and B that come out of the base weight W, and what becomes of W.
 *
 * <p>Shapes: W (o, d), A (r, d), B (o, r), all float32. Singular vectors have the signs that the
 * installed LAPACK gives them; products do not depend on these. Random numbers are drawn as in
 * Python. Reference: PEFT {@code LoraLayer.pissa_init, olora_init, mica_init, orthogonal_init};
 * values in golden/lora_starts. Unlike there, weights that are stored transposed are turned around
 * for every method.
 *
 * @param a first values of A
 * @param b first values of B
 * @param base makes the new base weight of the old one, which may be overwritten; empty if it stays
 * @param held tensors that {@code base} needs
 */
record LoraStart(Tensor a, Tensor b, Optional<UnaryOperator<Tensor>> base, List<Tensor> held) {

  /** Values that leave the base weight alone. */
  static LoraStart beside(Tensor a, Tensor b) {
    return new LoraStart(a, b, Optional.empty(), List.of());
  }

  /** Values that are taken out of the base weight: {@code W - s B A}. */
  static LoraStart outOf(Tensor a, Tensor b, double scaling) {
    return new LoraStart(
        a,
        b,
        Optional.of(
            weight -> {
              MatrixOps.addmmInto(weight, b, a, 1, -scaling);
              return weight;
            }),
        List.of(a, b));
  }

  /**
   * PiSSA, arXiv:2404.02948: {@code B = U sqrt(S / s)}, {@code A = sqrt(S / s) V^T} of the r
   * largest singular values.
   *
   * @param iterations of the randomized decomposition; empty for the exact one
   */
  static LoraStart pissa(Tensor w, int r, double scaling, Optional<Integer> iterations) {
    Svd svd =
        iterations
            .map(count -> LinearAlgebra.svdLowRank(w, r, count))
            .orElseGet(() -> LinearAlgebra.svd(w));
    Tensor root = svd.s().narrow(0, 0, r).div(scaling).sqrt();
    return outOf(
        svd.vh().narrow(0, 0, r).mul(root.unsqueeze(1)),
        svd.u().narrow(1, 0, r).mul(root.unsqueeze(0)),
        scaling);
  }

  /** OLoRA, arXiv:2406.01775: the first columns of Q and rows of R of {@code W = Q R}. */
  static LoraStart olora(Tensor w, int r, double scaling) {
    LinearAlgebra.Qr qr = LinearAlgebra.qr(w);
    return outOf(qr.r().narrow(0, 0, r).contiguous(), qr.q().narrow(1, 0, r).contiguous(), scaling);
  }

  /** MiCA: B holds the left vectors of the r smallest singular values and stays, A is zero. */
  static LoraStart mica(Tensor w, int r) {
    Tensor u = LinearAlgebra.svd(w).u();
    return beside(
        Creation.zeros(DType.FLOAT32, w.device(), r, w.size(1)),
        u.narrow(1, u.size(1) - r, r).contiguous());
  }

  /**
   * A and B random and orthogonal to each other, so that {@code B A = 0} with neither zero: one
   * takes the odd rows of an orthogonal matrix, the other the even ones.
   */
  static LoraStart orthogonal(long o, long d, int r) {
    Tensor q = LinearAlgebra.qr(Creation.randn(DType.FLOAT32, r, r)).q().reshape(r / 2, 2, r);
    Tensor a = Creation.randn(DType.FLOAT32, d, r / 2).matmul(q.select(1, 0)).t().div(10);
    Tensor b = Creation.randn(DType.FLOAT32, r / 2, o).t().matmul(q.select(1, 1)).div(10);
    return beside(a.contiguous(), b.contiguous());
  }
}
