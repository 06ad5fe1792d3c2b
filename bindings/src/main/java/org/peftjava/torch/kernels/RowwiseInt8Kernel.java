package org.peftjava.torch.kernels;

/**
 * LLM.int8(): matrices of int8 codes with a float32 scale per row, {@code v = code absmax / 127}.
 *
 * <p>Paper: arXiv:2208.07339. Matrices are gapless and in row-major order.
 */
public final class RowwiseInt8Kernel {
  /** The longest rows of a product: longer sums would not fit into 32 bits. */
  public static final long MAX_TERMS = 100_000;

  private static final String NAME = "RowwiseInt8Kernel";

  private RowwiseInt8Kernel() {}

  /**
   * Writes {@code code = round(v * (1 / absmax * 127))} and {@code absmax = max |v|} of each row,
   * with v rounded to float16 first, unless beyond its range, and halves rounded to even. The scale
   * of a row with a value that is not finite is NaN.
   *
   * @param x (rows, columns), read only
   * @param threshold with outliers: values at least this large do not count for absmax
   * @param codes int8 (rows, columns)
   * @param absmax float32 (rows)
   * @param outliers uint8 (columns): written, 1 for each column that holds such a value; its codes
   *     are 0. Or 0, for no outliers
   */
  public static void quantize(
      ElementType type,
      long x,
      long rows,
      long columns,
      double threshold,
      long codes,
      long absmax,
      long outliers,
      int threads) {
    check(rows, columns, threads, x, codes);
    Arguments.addresses(NAME, rows, absmax);
    KernelLibrary.bytesQuantize(
        x, rows, columns, threshold, codes, absmax, outliers, type.code(), threads);
  }

  /**
   * Writes {@code code absmax / 127}, computed in float32 and rounded once.
   *
   * @param codes int8 (rows, columns)
   * @param absmax float32 (rows)
   * @param y (rows, columns)
   */
  public static void dequantize(
      long codes, long absmax, long rows, long columns, ElementType type, long y, int threads) {
    check(rows, columns, threads, codes, y);
    Arguments.addresses(NAME, rows, absmax);
    KernelLibrary.bytesDequantize(codes, absmax, rows, columns, y, type.code(), threads);
  }

  /**
   * Writes {@code y[m, n] = sum_k x[m, k] w[n, k] (xAbsmax[m] wAbsmax[n]) / 127^2 + bias[n]} with
   * exact sums, rounded to y's type once.
   *
   * @param x int8 codes (m, k)
   * @param xAbsmax float32 (m)
   * @param w int8 codes (n, k)
   * @param wAbsmax float32 (n)
   * @param bias float32 (n), or 0 for none
   * @param type of y
   * @param y (m, n)
   * @param k at most {@link #MAX_TERMS}
   */
  public static void product(
      long x,
      long xAbsmax,
      long w,
      long wAbsmax,
      long bias,
      ElementType type,
      long y,
      long m,
      long n,
      long k,
      int threads) {
    check(m, k, threads, x);
    check(n, k, threads, w);
    check(m, n, threads, y);
    Arguments.addresses(NAME, m, xAbsmax);
    Arguments.addresses(NAME, n, wAbsmax);
    if (k > MAX_TERMS) {
      throw new IllegalArgumentException(
          NAME + ": k must be at most " + MAX_TERMS + ", got " + k + ". Split the product.");
    }
    KernelLibrary.bytesProduct(x, xAbsmax, w, wAbsmax, bias, y, m, n, k, type.code(), threads);
  }

  /**
   * Whether {@link #denseProduct} can be called: AMX is in use and columns are a multiple of 32.
   */
  public static boolean coversDense(long columns) {
    return NativeKernels.available() && KernelLibrary.hasTiles() && columns % 32 == 0;
  }

  /**
   * Writes the product of bfloat16 rows with {@code v = code absmax / 127}, rounded to bfloat16:
   * {@code y[m, n] = sum_k x[m, k] v[n, k] + bias[n]}, or transposed {@code y[m, k] = sum_n x[m, n]
   * v[n, k]}. v exists only in the processor's caches; sums are in float32.
   *
   * @param w int8 codes (n, k)
   * @param wAbsmax float32 (n)
   * @param transposed whether rows of w are summed up, as for the gradient of x
   * @param x bfloat16 (m, k); (m, n) if transposed
   * @param bias bfloat16 (n), or 0 for none; 0 if transposed
   * @param y bfloat16 (m, n); (m, k) if transposed; must not overlap {@code x}
   * @throws IllegalArgumentException unless {@link #coversDense} k
   */
  public static void denseProduct(
      long w,
      long wAbsmax,
      boolean transposed,
      long x,
      long bias,
      long y,
      long m,
      long n,
      long k,
      int threads) {
    check(n, k, threads, w);
    check(m, transposed ? n : k, threads, x);
    check(m, transposed ? k : n, threads, y);
    Arguments.addresses(NAME, n, wAbsmax);
    if (!coversDense(k)) {
      throw new IllegalArgumentException(
          NAME
              + ": needs AMX and columns in 32s; got "
              + NativeKernels.isa().orElseThrow().id()
              + " and "
              + k
              + " columns. Check coversDense(k).");
    }
    if (transposed && bias != 0) {
      throw new IllegalArgumentException(NAME + ": a transposed product takes no bias.");
    }
    KernelLibrary.byteTiles(w, wAbsmax, n, k, transposed, x, bias, y, m, threads);
  }

  private static void check(long rows, long columns, int threads, long... matrices) {
    Arguments.call(NAME, threads);
    Arguments.size(NAME, "rows", rows);
    Arguments.size(NAME, "columns", columns);
    Arguments.addresses(NAME, rows * columns, matrices);
  }
}
