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

  /** The singular values of (..., m, n), largest first. */
  public static Tensor singularValues(Tensor a) {
    return own(Natives.call(() -> torch.linalg_svdvals(a.handle())));
  }

  /** The thin singular value decomposition of (..., m, n). */
  public static Svd svd(Tensor a) {
    T_TensorTensorTensor_T parts =
        Natives.call(() -> torch.linalg_svd(a.handle(), false, new StringViewOptional()));
    return new Svd(own(parts.get0()), own(parts.get1()), own(parts.get2()));
  }

  /**
   * The same of one matrix (m, n), with the signs of singular vectors that Python's PyTorch gives
   * on x86 (MKL): it does not begin with an LQ decomposition of wide matrices, from which zero rows
   * keep other LAPACKs, and begins with a QR decomposition of less tall ones than they do.
   *
   * <p>Computed on the CPU wherever the matrix is: a card's signs are others, and what a file
   * leaves to be computed shall not depend on the device.
   */
  public static Svd svdAsPython(Tensor a) {
    Svd here = svdOnCpu(a.to(Device.CPU));
    Device device = a.device();
    return new Svd(here.u().to(device), here.s().to(device), here.vh().to(device));
  }

  private static Svd svdOnCpu(Tensor a) {
    long m = a.size(0);
    long n = a.size(1);
    long rows = m;
    while (rows < n && n >= rows * 11 / 6) { // LAPACK's bound, MNTHR of sgesdd
      rows++;
    }
    if (2 * m >= 3 * n && m < n * 11 / 6) {
      Qr tall = qr(a);
      Svd square = svd(tall.r());
      return new Svd(tall.q().matmul(square.u()), square.s(), square.vh());
    }
    if (rows == m) {
      return svd(a);
    }
    Tensor zeros = Creation.zeros(a.dtype(), a.device(), rows - m, n);
    Svd wide = svd(Creation.cat(List.of(a, zeros), 0));
    return new Svd(
        wide.u().narrow(0, 0, m).narrow(1, 0, m),
        wide.s().narrow(0, 0, m),
        wide.vh().narrow(0, 0, m));
  }

  /**
   * An approximate decomposition of a matrix (m, n) from {@code rank} random directions: {@code
   * torch.svd_lowrank}, arXiv:0909.4061 algorithm 5.1. The same seed gives Python's numbers.
   *
   * @param iterations of the subspace iteration, 0 or more
   */
  public static Svd svdLowRank(Tensor a, long rank, int iterations) {
    return svdLowRank(
        a, iterations, Creation.randn(a.dtype(), Math.min(a.size(0), a.size(1)), rank));
  }

  /** The same with random numbers of its own, drawn on the CPU. */
  public static Svd svdLowRank(Tensor a, long rank, int iterations, SeededRandom random) {
    Tensor start = Creation.empty(a.dtype(), Device.CPU, Math.min(a.size(0), a.size(1)), rank);
    return svdLowRank(a, iterations, random.normal(start, 0, 1));
  }

  private static Svd svdLowRank(Tensor a, int iterations, Tensor directions) {
    boolean wide = a.size(0) < a.size(1);
    Tensor tall = wide ? a.t() : a;
    Tensor start = directions.to(a.device());
    Tensor basis = qr(tall.matmul(start)).q();
    for (int i = 0; i < iterations; i++) {
      basis = qr(tall.t().matmul(basis)).q();
      basis = qr(tall.matmul(basis)).q();
    }
    Svd small = svdAsPython(basis.t().matmul(tall));
    Tensor u = basis.matmul(small.u());
    return wide ? new Svd(small.vh().t(), small.s(), u.t()) : new Svd(u, small.s(), small.vh());
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
    return LargeStack.op(a, () -> torch.linalg_solve(a.handle(), b.handle()));
  }

  /** The inverse of (..., n, n). */
  public static Tensor inverse(Tensor a) {
    return LargeStack.op(a, () -> torch.linalg_inv(a.handle()));
  }

  /** The Moore-Penrose inverse of (..., m, n): (..., n, m). */
  public static Tensor pseudoInverse(Tensor a) {
    return Natives.op(() -> torch.linalg_pinv(a.handle()));
  }

  /**
   * The same, with singular values below {@code share} of the largest one taken as 0.
   *
   * @param share in [0, 1)
   */
  public static Tensor pseudoInverse(Tensor a, double share) {
    return Natives.op(() -> torch.linalg_pinv(a.handle(), share));
  }

  /** All right singular vectors of a matrix (m, n), in the rows of (n, n). */
  public static Tensor rightVectors(Tensor a) {
    T_TensorTensorTensor_T parts =
        Natives.call(() -> torch.linalg_svd(a.handle(), true, new StringViewOptional()));
    return own(parts.get2());
  }

  /** The matrix exponential of (..., n, n). */
  public static Tensor matrixExp(Tensor a) {
    return Natives.op(() -> torch.linalg_matrix_exp(a.handle()));
  }

  /** The determinant of (..., n, n). */
  public static Tensor det(Tensor a) {
    return LargeStack.op(a, () -> torch.linalg_det(a.handle()));
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

  /** The length of {@code A - I} for a matrix (n, n): a scalar. */
  public static Tensor distanceToIdentity(Tensor a) {
    long n = a.size(0);
    Tensor difference = a.sub(identity(a.dtype(), a.device(), n));
    return Ops.norm(difference.reshape(1, n * n), 1).reshape();
  }

  private static Tensor own(org.bytedeco.pytorch.Tensor part) {
    return new Tensor(new org.bytedeco.pytorch.Tensor(part));
  }
}
