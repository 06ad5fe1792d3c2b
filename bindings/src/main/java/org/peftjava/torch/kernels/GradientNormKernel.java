package org.peftjava.torch.kernels;

/**
 * The two passes of gradient clipping over a list of arrays: their squared norm, and a common
 * factor.
 *
 * <p>{@code torch.nn.utils.clip_grad_norm_} is {@code scale(min(1, maxNorm / (sqrt(squaredNorm) +
 * 1e-6)))}. {@link AdamWKernel} can take the factor instead and spare the second pass.
 */
public final class GradientNormKernel {
  private static final String NAME = "GradientNormKernel";

  private GradientNormKernel() {}

  /** The sum of squares over all arrays: float32 within 1,024 elements, double across. */
  public static double squaredNorm(ElementType type, long[] arrays, long[] counts, int threads) {
    Arguments.call(NAME, threads);
    Arguments.sameLength(NAME, counts, arrays);
    return KernelLibrary.squaredNorm(arrays, counts, counts.length, type.code(), threads);
  }

  /** Multiplies all arrays by {@code factor} in place. */
  public static void scale(
      ElementType type, long[] arrays, long[] counts, double factor, int threads) {
    Arguments.call(NAME, threads);
    Arguments.sameLength(NAME, counts, arrays);
    KernelLibrary.scale(arrays, counts, counts.length, factor, type.code(), threads);
  }
}
