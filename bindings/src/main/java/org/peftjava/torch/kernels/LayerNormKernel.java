package org.peftjava.torch.kernels;

/**
 * Layer normalisation over the last dimension, with float32 statistics, alone or after a residual
 * sum.
 *
 * <p>{@code y = (h - mean) rstd weight + bias} with {@code rstd = 1 / sqrt(var + eps)} and the
 * biased variance, as {@code torch.nn.LayerNorm}. Activations are (rows, width) and contiguous, of
 * one element type; weight and bias are (width), of a type of their own; mean and rstd are (rows)
 * of float32.
 */
public final class LayerNormKernel {
  private static final String NAME = "LayerNormKernel";

  private LayerNormKernel() {}

  /**
   * Writes {@code y}, and {@code mean} and {@code rstd} where they are not 0.
   *
   * @param weight 0 for ones
   * @param bias 0 for zeros
   * @param y may be {@code x}
   */
  public static void forward(
      ElementType type,
      ElementType weightType,
      long x,
      long weight,
      long bias,
      long y,
      long mean,
      long rstd,
      long rows,
      long width,
      double eps,
      int threads) {
    check(rows, width, threads, x, y);
    KernelLibrary.layerNorm(
        x,
        0,
        0,
        weight,
        bias,
        y,
        mean,
        rstd,
        rows,
        width,
        eps,
        type.code(),
        weightType.code(),
        threads);
  }

  /**
   * Writes {@code sum = x + residual}, rounded to its type, and the norm of that.
   *
   * @param sum may be {@code x} or {@code residual}
   */
  public static void forwardResidual(
      ElementType type,
      ElementType weightType,
      long x,
      long residual,
      long sum,
      long weight,
      long bias,
      long y,
      long mean,
      long rstd,
      long rows,
      long width,
      double eps,
      int threads) {
    check(rows, width, threads, x, residual, sum, y);
    KernelLibrary.layerNorm(
        x,
        residual,
        sum,
        weight,
        bias,
        y,
        mean,
        rstd,
        rows,
        width,
        eps,
        type.code(),
        weightType.code(),
        threads);
  }

  /**
   * Writes the gradients. With {@code n = (h - mean) rstd} and {@code g = gy weight}: {@code gh =
   * rstd (g - mean(g) - n mean(g n)) + residualGrad}, {@code gweight = sum over rows of gy n},
   * {@code gbias = sum over rows of gy}.
   *
   * @param h the normalised input: {@code x}, or the residual sum
   * @param residualGrad (rows, width) to add to {@code gh}, may be {@code gh}; 0 for none
   * @param gh 0 if not wanted; may be {@code gy}
   * @param gweight (width) of the weight's type, 0 if not wanted
   * @param gbias (width) of the weight's type, 0 if not wanted
   */
  public static void backward(
      ElementType type,
      ElementType weightType,
      long gy,
      long h,
      long weight,
      long mean,
      long rstd,
      long residualGrad,
      long gh,
      long gweight,
      long gbias,
      long rows,
      long width,
      int threads) {
    check(rows, width, threads, gy, h, mean, rstd);
    KernelLibrary.layerNormGrad(
        gy,
        h,
        weight,
        mean,
        rstd,
        residualGrad,
        gh,
        gweight,
        gbias,
        rows,
        width,
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
