package org.peftjava.torch.kernels;

/**
 * The matrix product of a few rows with a weight: what decoding one token does in every linear
 * layer.
 *
 * <p>{@code y[m, n] = sum_k x[m, k] w[n, k] + bias[n]}. It reads the weight once and is bound by
 * that; a general product re-packs the weight first. One element type for all operands; sums in
 * float32.
 */
public final class SmallProductKernel {
  /** The most rows of {@code x} in one call. */
  public static final int MAX_ROWS = 8;

  private static final String NAME = "SmallProductKernel";

  private SmallProductKernel() {}

  /**
   * Writes {@code y}.
   *
   * @param x (m, k) with {@code xStride} elements from row to row
   * @param w (n, k) with {@code wStride} elements from row to row
   * @param transposed whether w is stored the other way round, as (k, n)
   * @param bias (n), or 0 for none
   * @param y (m, n) with {@code yStride} elements from row to row; must not overlap {@code x}
   * @param m 1 to {@link #MAX_ROWS}
   */
  public static void product(
      ElementType type,
      long x,
      long xStride,
      long w,
      long wStride,
      boolean transposed,
      long bias,
      long y,
      long yStride,
      int m,
      long n,
      long k,
      int threads) {
    Arguments.call(NAME, threads);
    if (m < 1 || m > MAX_ROWS) {
      throw new IllegalArgumentException(
          NAME + ": m must be 1 to " + MAX_ROWS + ", got " + m + ". Use a matrix product.");
    }
    Arguments.size(NAME, "n", n);
    Arguments.size(NAME, "k", k);
    Arguments.addresses(NAME, k, x);
    Arguments.addresses(NAME, n * k, w);
    Arguments.addresses(NAME, n, y);
    Arguments.stride(NAME, "xStride", xStride, k);
    Arguments.stride(NAME, "wStride", wStride, transposed ? n : k);
    Arguments.stride(NAME, "yStride", yStride, n);
    KernelLibrary.product(
        x, xStride, w, wStride, bias, y, yStride, m, n, k, transposed, type.code(), threads);
  }
}
