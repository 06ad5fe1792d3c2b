package org.peftjava.torch.kernels;

/**
 * The matrix product of many float32 rows with a dense weight {@code w} (rows, columns): {@code y =
 * x w^T + bias}, or {@code y = x w + bias}. Faster than a general product, which packs the weight
 * first; sums do not depend on the number of threads.
 */
public final class WideProductKernel {
  /** From so many rows on it beats a general product. */
  public static final int MIN_ROWS = 48;

  private static final String NAME = "WideProductKernel";
  private static final int UNIT = 64; // rows or columns of w that a thread takes, at most

  private WideProductKernel() {}

  /** Whether this processor has the instructions (AVX-512) for it. */
  public static boolean available() {
    return NativeKernels.available() && KernelLibrary.hasWideProduct();
  }

  /** Whether a product of so many results for each row keeps so many threads at work. */
  public static boolean occupies(long results, int threads) {
    return results >= (long) UNIT * threads;
  }

  /**
   * Writes {@code y}, or adds to it.
   *
   * @param x (m, columns), or (m, rows) if not transposed; gapless
   * @param w (rows, columns), gapless
   * @param transposed whether the product is with {@code w^T}
   * @param bias of as many elements as a row of y has, or 0 for none
   * @param y (m, rows), or (m, columns) if not transposed; gapless; must not overlap {@code x}
   * @param add whether the result is added to what is in y
   */
  public static void product(
      long x,
      long w,
      boolean transposed,
      long bias,
      long y,
      long m,
      long rows,
      long columns,
      boolean add,
      int threads) {
    Arguments.call(NAME, threads);
    if (!KernelLibrary.hasWideProduct()) {
      throw new IllegalStateException(
          NAME + ": this instruction set has none. Ask available() first.");
    }
    Arguments.size(NAME, "m", m);
    Arguments.size(NAME, "rows", rows);
    Arguments.size(NAME, "columns", columns);
    Arguments.addresses(NAME, Math.multiplyExact(rows, columns), x, w, y);
    long in = transposed ? columns : rows;
    long out = transposed ? rows : columns;
    KernelLibrary.wideProduct(
        x, in, w, columns, bias, y, out, m, rows, columns, transposed, add, threads);
  }
}
