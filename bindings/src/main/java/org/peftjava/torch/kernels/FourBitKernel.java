package org.peftjava.torch.kernels;

/**
 * Blockwise 4-bit numbers (NF4, FP4): from dense numbers and back, to the bit as bitsandbytes' rule
 * has it, and products of a few rows straight from the codes.
 *
 * <p>Everything is computed in float32 and rounded once, but for products of up to four rows of
 * bfloat16 on processors with VNNI: see {@link #product}. Papers: arXiv:2305.14314,
 * arXiv:1511.04561.
 */
public final class FourBitKernel {
  /** The most rows of {@code x} in one product. */
  public static final int MAX_ROWS = 8;

  private static final String NAME = "FourBitKernel";

  private FourBitKernel() {}

  /**
   * Writes codes and scales of {@code count} numbers: {@code absmax = max |x|} of a block, the code
   * by the rule from {@code x (1 / absmax)}. A scale is NaN where its block has a number that is
   * not finite.
   *
   * @param x (count), read only
   * @param blockSize a power of two, 32 to 4096
   * @param packed (count + 1) / 2 bytes
   * @param absmax float32, one for each block, the last of which may be short
   */
  public static void quantize(
      FourBitRule rule,
      ElementType type,
      long x,
      long count,
      int blockSize,
      long packed,
      long absmax,
      int threads) {
    Arguments.call(NAME, threads);
    Arguments.size(NAME, "count", count);
    Arguments.addresses(NAME, count, x, packed, absmax);
    KernelLibrary.fourBitQuantize(
        x,
        count,
        shiftOf(blockSize),
        rule.padded(),
        rule.paddedCodes(),
        rule.magnitudes(),
        rule.zero(),
        packed,
        absmax,
        type.code(),
        threads);
  }

  /**
   * Writes the numbers [first, first + count) of a matrix, in row-major order.
   *
   * @param y (count)
   */
  public static void dequantize(
      FourBitMatrix w, long first, long count, ElementType type, long y, int threads) {
    Arguments.call(NAME, threads);
    Arguments.size(NAME, "first", first);
    Arguments.size(NAME, "count", count);
    long all = w.rows() * w.columns();
    if (count > all - first) {
      throw new IllegalArgumentException(
          NAME
              + ": elements "
              + first
              + " to "
              + (first + count)
              + " of a matrix with "
              + all
              + " elements.");
    }
    Arguments.addresses(NAME, count, y);
    KernelLibrary.fourBitDequantize(w.descriptor(), first, count, y, type.code(), threads);
  }

  /**
   * Writes {@code y[m, n] = sum_k x[m, k] w[n, k] + bias[n]}, or transposed {@code y[m, k] = sum_n
   * x[m, n] w[n, k] + bias[k]}, with weights in float32 that are never written out.
   *
   * <p>Where there is VNNI, up to four rows of bfloat16 are multiplied (not transposed) in
   * integers: a number of {@code x} is rounded to 2^-15 of the largest of its block, the number of
   * a code to 2^-16 of the largest. Sums err by a tenth of what rounding the weight to bfloat16
   * would change.
   *
   * @param transposed whether rows of w are summed up, as for the gradient of x
   * @param x (m, columns of w; rows if transposed) with {@code xStride} elements from row to row
   * @param bias (rows of w; columns if transposed), or 0 for none
   * @param y (m, rows of w; columns if transposed) with {@code yStride}; must not overlap {@code x}
   * @param m 1 to {@link #MAX_ROWS}
   */
  public static void product(
      FourBitMatrix w,
      boolean transposed,
      ElementType type,
      long x,
      long xStride,
      long bias,
      long y,
      long yStride,
      int m,
      int threads) {
    Arguments.call(NAME, threads);
    if (m < 1 || m > MAX_ROWS) {
      throw new IllegalArgumentException(
          NAME + ": m must be 1 to " + MAX_ROWS + ", got " + m + ". Use a matrix product.");
    }
    long in = transposed ? w.rows() : w.columns();
    long out = transposed ? w.columns() : w.rows();
    Arguments.addresses(NAME, in, x);
    Arguments.addresses(NAME, out, y);
    Arguments.stride(NAME, "xStride", xStride, in);
    Arguments.stride(NAME, "yStride", yStride, out);
    KernelLibrary.fourBitProduct(
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

  /** log2 of a block size. */
  static int shiftOf(int blockSize) {
    if (blockSize < 32 || blockSize > 4096 || Integer.bitCount(blockSize) != 1) {
      throw new IllegalArgumentException(
          NAME + ": the block size is " + blockSize + ". Expected a power of two, 32 to 4096.");
    }
    return Integer.numberOfTrailingZeros(blockSize);
  }
}
