package org.peftjava.torch.kernels;

/**
 * Cross entropy of rows of logits against class indices, with the gradient written over the logits.
 *
 * <p>{@code loss[r] = log(sum_v exp(z[r, v])) - z[r, target[r]]}, 0 for rows whose target is {@link
 * #IGNORE_INDEX}; the same as {@code torch.nn.functional.cross_entropy(reduction="sum")}. The
 * gradient is {@code (softmax(z) - onehot(target)) * scale} in the logits' type, zeros for ignored
 * rows. Exponentials are float32 with a relative error below 2e-7 and are 0 below exp(-87.33); sums
 * are double. A row with NaN or positive infinity has loss and gradient NaN.
 */
public final class CrossEntropyKernel {
  /** The target of rows that do not count. */
  public static final long IGNORE_INDEX = -100;

  private static final String NAME = "CrossEntropyKernel";

  private CrossEntropyKernel() {}

  /** The number of rows that count: what a mean divides by. {@code targets} is (rows) of int64. */
  public static long countTargets(long targets, long rows) {
    Arguments.call(NAME, 1);
    Arguments.size(NAME, "rows", rows);
    Arguments.addresses(NAME, rows, targets);
    return KernelLibrary.countTargets(targets, rows, IGNORE_INDEX);
  }

  /**
   * Returns the sum of the losses and leaves the logits alone.
   *
   * @param logits (rows, vocabulary) with {@code stride} elements from row to row
   * @param targets (rows) of int64
   * @param rowLosses (rows) of float64 to be written, or 0 if not wanted
   * @throws IllegalArgumentException if a target is neither a class nor {@link #IGNORE_INDEX}
   */
  public static double lossSum(
      ElementType type,
      long logits,
      long stride,
      long targets,
      long rowLosses,
      long rows,
      long vocabulary,
      int threads) {
    check(logits, stride, targets, rows, vocabulary, threads);
    return KernelLibrary.crossEntropy(
        logits,
        targets,
        rowLosses,
        rows,
        vocabulary,
        stride,
        IGNORE_INDEX,
        0f,
        false,
        type.code(),
        threads);
  }

  /**
   * Returns the sum of the losses and overwrites the logits with the gradient of {@code scale *
   * sum}; arguments as in {@link #lossSum}. For a mean, {@code scale = 1 / countTargets}.
   */
  public static double lossSumAndGradient(
      ElementType type,
      long logits,
      long stride,
      long targets,
      long rowLosses,
      long rows,
      long vocabulary,
      double scale,
      int threads) {
    check(logits, stride, targets, rows, vocabulary, threads);
    return KernelLibrary.crossEntropy(
        logits,
        targets,
        rowLosses,
        rows,
        vocabulary,
        stride,
        IGNORE_INDEX,
        (float) scale,
        true,
        type.code(),
        threads);
  }

  private static void check(
      long logits, long stride, long targets, long rows, long vocabulary, int threads) {
    Arguments.call(NAME, threads);
    Arguments.size(NAME, "rows", rows);
    Arguments.size(NAME, "vocabulary", vocabulary);
    Arguments.addresses(NAME, rows, logits, targets);
    Arguments.stride(NAME, "stride", stride, vocabulary);
    long bad = KernelLibrary.firstBadTarget(targets, rows, vocabulary, IGNORE_INDEX);
    if (bad >= 0) {
      throw new IllegalArgumentException(
          String.format(
              "Target %d of row %d is outside the %d classes. Expected 0 to %d, or %d to ignore the"
                  + " row.",
              KernelLibrary.targetAt(targets, bad), bad, vocabulary, vocabulary - 1, IGNORE_INDEX));
    }
  }
}
