package org.peftjava.torch.kernels;

/**
 * Dropout whose mask is computed, never stored: it is a function of (seed, offset, element index).
 *
 * <p>{@code y[i] = keep(i) ? x[i] / (1 - p) : 0}. Element {@code i} is kept when its 32-bit random
 * word is at least {@code round(p 2^32)}. The word is number {@code (i / 16) % 4} of Philox4x32-10
 * with key {@code seed} and counter {@code (16 (i / 64) + i % 16, offset)}, two 64-bit halves, low
 * words first (Salmon et al., <a href="https://doi.org/10.1145/2063384.2063405">Parallel random
 * numbers: as easy as 1, 2, 3</a>). Each use of a seed needs an offset of its own. {@code p = 0}
 * only converts or adds.
 */
public final class DropoutKernel {
  private static final String NAME = "DropoutKernel";

  private DropoutKernel() {}

  /**
   * Writes {@code y}, converting from one element type to the other on the way.
   *
   * @param x (count); may be {@code y} if the types are equal
   * @param p probability of dropping an element, 0 to 1
   */
  public static void forward(
      ElementType xType,
      long x,
      ElementType yType,
      long y,
      long count,
      double p,
      long seed,
      long offset,
      int threads) {
    check(x, y, count, p, threads);
    KernelLibrary.dropout(x, xType.code(), y, yType.code(), count, p, seed, offset, false, threads);
  }

  /**
   * Adds the gradient: {@code gx[i] += keep(i) ? g[i] / (1 - p) : 0}, with the arguments of the
   * forward call.
   *
   * @param g (count), gradient of the dropout's result
   * @param gx (count), gradient of its input so far
   */
  public static void backwardAdd(
      ElementType gType,
      long g,
      ElementType gxType,
      long gx,
      long count,
      double p,
      long seed,
      long offset,
      int threads) {
    check(g, gx, count, p, threads);
    KernelLibrary.dropout(
        g, gType.code(), gx, gxType.code(), count, p, seed, offset, true, threads);
  }

  private static void check(long from, long to, long count, double p, int threads) {
    Arguments.call(NAME, threads);
    Arguments.size(NAME, "count", count);
    Arguments.addresses(NAME, count, from, to);
    if (!(p >= 0 && p <= 1)) {
      throw new IllegalArgumentException(NAME + ": p must be 0 to 1, got " + p + ".");
    }
  }
}
