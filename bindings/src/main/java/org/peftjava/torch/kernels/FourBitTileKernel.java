package org.peftjava.torch.kernels;

/**
 * Products of many rows with a 4-bit weight on AMX tiles.
 *
 * <p>The weight is made dense piece by piece in the processor's caches and never in memory, so that
 * the product costs about what one with a dense weight costs. For bfloat16, weights are rounded as
 * {@link FourBitKernel#dequantize} rounds them; for float32, numbers are in three parts of bfloat16
 * each, and errors are no larger than those of float32 products. Numbers below 1e-38 count as 0;
 * sums are in float32.
 */
public final class FourBitTileKernel {
  private static final String NAME = "FourBitTileKernel";

  private FourBitTileKernel() {}

  /**
   * Whether {@link #product} can be called: AMX is in use, blocks have 64 elements at least, and
   * columns are a multiple of 128.
   */
  public static boolean covers(FourBitMatrix w) {
    return NativeKernels.available()
        && KernelLibrary.hasTiles()
        && w.columns() % 128 == 0
        && w.blockSize() >= 64;
  }

  /**
   * Writes {@code y[m, n] = sum_k x[m, k] w[n, k] + bias[n]}, or transposed {@code y[m, k] = sum_n
   * x[m, n] w[n, k]}.
   *
   * @param type of x, bias and y
   * @param transposed whether rows of w are summed up, as for the gradient of x
   * @param x (m, columns of w; rows if transposed) with {@code xStride} elements from row to row
   * @param bias (rows of w), or 0 for none; 0 if transposed
   * @param y (m, rows of w; columns if transposed) with {@code yStride}; must not overlap {@code x}
   * @return false if x or w has float32 numbers without parts (infinite, NaN, above 3.38e38): y is
   *     not the product then
   */
  public static boolean product(
      FourBitMatrix w,
      boolean transposed,
      ElementType type,
      long x,
      long xStride,
      long bias,
      long y,
      long yStride,
      long m,
      int threads) {
    Arguments.call(NAME, threads);
    if (!covers(w)) {
      throw new IllegalArgumentException(
          NAME
              + ": needs AMX, blocks of 64 elements and columns in 128s; got "
              + NativeKernels.isa().orElseThrow().id()
              + ", blocks of "
              + w.blockSize()
              + " and "
              + w.columns()
              + " columns. Check covers(w).");
    }
    if (transposed && bias != 0) {
      throw new IllegalArgumentException(NAME + ": a transposed product takes no bias.");
    }
    Arguments.size(NAME, "m", m);
    long in = transposed ? w.rows() : w.columns();
    long out = transposed ? w.columns() : w.rows();
    Arguments.addresses(NAME, m * in, x);
    Arguments.addresses(NAME, m * out, y);
    Arguments.stride(NAME, "xStride", xStride, in);
    Arguments.stride(NAME, "yStride", yStride, out);
    return KernelLibrary.fourBitTiles(
        w.descriptor(),
        w.rows(),
        w.columns(),
        transposed,
        x,
        xStride,
        bias,
        y,
        yStride,
        m,
        type.code(),
        threads);
  }
}
