package org.peftjava.torch.kernels;

/**
 * The matrix product of rows with a dense weight {@code w} (rows, columns): {@code y = x w^T +
 * bias}, or {@code y = x w + bias}. Faster than a general product, which packs the weight first.
 * Threads take one unit of work after the other, so that a core that is slower or away gets less;
 * sums do not depend on the number of threads.
 *
 * <p>On AMX tiles a float32 number is the sum of three of bfloat16, and the products that count for
 * float32 are added up in float32: errors are no larger than those of float32 products, but results
 * below 1e-38 are 0. Where a number has no such parts (infinite, NaN, above 3.38e38) all is
 * computed in float32. Up to 32 rows of bfloat16 take about the time that reading the weight takes.
 */
public final class WideProductKernel {
  private static final String NAME = "WideProductKernel";
  private static final int UNIT = 64; // rows or columns of w that a thread takes, at most
  private static final int FEW_ROWS = 32; // of bfloat16, for which w is read once, as it lies

  private WideProductKernel() {}

  /** Whether it beats a general product, and one of few rows, with so many rows. */
  public static boolean pays(ElementType type, boolean turned, long m) {
    if (type == ElementType.FLOAT32) {
      return m >= 48;
    }
    return turned ? m > 2 : (m > 4 && m <= FEW_ROWS) || m >= 96;
  }

  /** Whether this processor has the instructions for it: AVX-512 for float32, AMX for bfloat16. */
  public static boolean available(ElementType type) {
    return NativeKernels.available() && KernelLibrary.hasWideProduct(type.code());
  }

  /** Whether a product of so many results for each row keeps so many threads at work. */
  public static boolean occupies(long results, int threads) {
    return results >= (long) UNIT * threads;
  }

  /**
   * Writes {@code y}.
   *
   * @param type of all operands
   * @param x (m, columns), or (m, rows) if not turned; gapless
   * @param w (rows, columns), gapless
   * @param turned whether the product is with {@code w^T}
   * @param bias of as many elements as a row of y has, or 0 for none
   * @param y (m, rows), or (m, columns) if not turned; gapless; must not overlap {@code x}
   */
  public static void product(
      ElementType type,
      long x,
      long w,
      boolean turned,
      long bias,
      long y,
      long m,
      long rows,
      long columns,
      int threads) {
    Arguments.call(NAME, threads);
    if (!KernelLibrary.hasWideProduct(type.code())) {
      throw new IllegalStateException(
          NAME + ": this instruction set has none for " + type + ". Ask available() first.");
    }
    Arguments.size(NAME, "m", m);
    Arguments.size(NAME, "rows", rows);
    Arguments.size(NAME, "columns", columns);
    Arguments.addresses(NAME, Math.multiplyExact(rows, columns), x, w, y);
    KernelLibrary.wideProduct(x, w, bias, y, m, rows, columns, turned, type.code(), threads);
  }
}
