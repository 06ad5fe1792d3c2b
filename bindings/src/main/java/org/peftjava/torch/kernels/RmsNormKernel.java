package org.peftjava.torch.kernels;

/**
 * Root-mean-square normalisation over the last dimension, with float32 statistics: {@code y = x
 * rstd (weight + offset)} with {@code rstd = 1 / sqrt(mean(x^2) + eps)}.
 *
 * <p>Activations are (rows, width) and contiguous, of one element type; weight is (width), of a
 * type of its own; rstd is (rows) of float32. Paper: arXiv:1910.07467.
 */
public final class RmsNormKernel {
  private static final String NAME = "RmsNormKernel";

  private RmsNormKernel() {}

  /**
   * Writes {@code y}, and {@code rstd} where it is not 0.
   *
   * @param y may be {@code x}
   * @param roundFirst whether {@code x rstd} is rounded to its type before it is scaled
   */
  public static void forward(
      ElementType type,
      ElementType weightType,
      long x,
      long weight,
      long y,
      long rstd,
      long rows,
      long width,
      double eps,
      double offset,
      boolean roundFirst,
      int threads) {
    check(rows, width, threads, x, weight, y);
    KernelLibrary.rmsNorm(
        x,
        weight,
        y,
        rstd,
        rows,
        width,
        eps,
        offset,
        roundFirst,
        type.code(),
        weightType.code(),
        threads);
  }

  /**
   * Writes the gradients, with {@code n = x rstd} and {@code g = gy (weight + offset)}: {@code gx =
   * rstd (g - n mean(g n))}, {@code gweight = sum over rows of gy n}.
   *
   * @param gx 0 if not wanted; may be {@code gy}
   * @param gweight (width) of the weight's type, 0 if not wanted
   */
  public static void backward(
      ElementType type,
      ElementType weightType,
      long gy,
      long x,
      long weight,
      long rstd,
      long gx,
      long gweight,
      long rows,
      long width,
      double offset,
      boolean roundFirst,
      int threads) {
    check(rows, width, threads, gy, x, weight, rstd);
    KernelLibrary.rmsNormGrad(
        gy,
        x,
        weight,
        rstd,
        gx,
        gweight,
        rows,
        width,
        offset,
        roundFirst,
        type.code(),
        weightType.code(),
        threads);
  }

  private static void check(long rows, long width, int threads, long... addresses) {
    Arguments.call(NAME, threads);
    Arguments.size(NAME, "rows", rows);
    Arguments.size(NAME, "width", width);
    Arguments.addresses(NAME, rows * width, addresses);
  }
}
