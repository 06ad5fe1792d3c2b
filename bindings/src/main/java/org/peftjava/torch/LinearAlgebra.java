package org.peftjava.torch;

import java.util.List;
import org.bytedeco.pytorch.StringViewOptional;
import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.global.torch;

/**
 * Decompositions and solutions of matrices, batched over leading dimensions and differentiable, as
 * in {@code torch.linalg}. They need float32 or float64.
 */
public final class LinearAlgebra {
  private LinearAlgebra() {}

  /**
   * {@code A = U diag(S) Vh}.
   *
   * @param u (..., m, k) with k = min(m, n)
   * @param s (..., k), largest first
   * @param vh (..., k, n)
   */
  public record Svd(Tensor u, Tensor s, Tensor vh) {}

  /**
   * {@code A = Q R}.
   *
   * @param q (..., m, k), orthonormal columns
   * @param r (..., k, n), upper triangular
   */
  public record Qr(Tensor q, Tensor r) {}

  /**
   * {@code A = V diag(w) V^T}.
   *
   * @param values (..., n), smallest first
   * @param vectors (..., n, n), in columns
   */
  public record Eigen(Tensor values, Tensor vectors) {}

  /** The thin singular value decomposition of (..., m, n). */
  public static Svd svd(Tensor a) {
    T_TensorTensorTensor_T parts =
        Natives.call(() -> torch.linalg_svd(a.handle(), false, new StringViewOptional()));
    return new Svd(own(parts.get0()), own(parts.get1()), own(parts.get2()));
  }

  /** The thin QR decomposition of (..., m, n). */
  public static Qr qr(Tensor a) {
    T_TensorTensor_T parts = Natives.call(() -> torch.linalg_qr(a.handle()));
    return new Qr(own(parts.get0()), own(parts.get1()));
  }

  /** Eigenvalues and eigenvectors of symmetric matrices (..., n, n); the lower triangle is read. */
  public static Eigen eigh(Tensor a) {
    T_TensorTensor_T parts = Natives.call(() -> torch.linalg_eigh(a.handle()));
    return new Eigen(own(parts.get0()), own(parts.get1()));
  }

  /** X of {@code A X = B} for A (..., n, n) and B (..., n, k). */
  public static Tensor solve(Tensor a, Tensor b) {
    return Natives.op(() -> torch.linalg_solve(a.handle(), b.handle()));
  }

  /** The inverse of (..., n, n). */
  public static Tensor inverse(Tensor a) {
    return Natives.op(() -> torch.linalg_inv(a.handle()));
  }

  /** The Moore-Penrose inverse of (..., m, n): (..., n, m). */
  public static Tensor pseudoInverse(Tensor a) {
    return Natives.op(() -> torch.linalg_pinv(a.handle()));
  }

  /** The matrix exponential of (..., n, n). */
  public static Tensor matrixExp(Tensor a) {
    return Natives.op(() -> torch.linalg_matrix_exp(a.handle()));
  }

  /** The determinant of (..., n, n). */
  public static Tensor det(Tensor a) {
    return Natives.op(() -> torch.linalg_det(a.handle()));
  }

  /** The Kronecker product: (m, n) and (p, q) give (mp, nq). */
  public static Tensor kron(Tensor a, Tensor b) {
    return Natives.op(() -> torch.kron(a.handle(), b.handle()));
  }

  /** The matrices along a diagonal, zeros elsewhere. */
  public static Tensor blockDiag(List<Tensor> blocks) {
    return Natives.op(() -> torch.block_diag(Natives.vector(blocks)));
  }

  /** The identity (n, n). */
  public static Tensor identity(DType type, Device device, long n) {
    Tensor result = Creation.zeros(type, device, n, n);
    result.asStrided(new long[] {n}, new long[] {n + 1}).fillInPlace(1);
    return result;
  }

  private static Tensor own(org.bytedeco.pytorch.Tensor part) {
    return new Tensor(new org.bytedeco.pytorch.Tensor(part));
  }
}
