package org.peftjava.torch.kernels;

import org.peftjava.torch.kernels.AttentionKernel.Operand;

/**
 * Rotary position embeddings: {@code y[i] = x[i] cos[i] + x[i + d/2] sin[i]} with indices modulo d,
 * the first product rounded to x's type. The gradient is the same with another half of {@code sin}.
 *
 * <p>Letters as in {@link AttentionKernel}. All operands have one element type. Paper:
 * arXiv:2104.09864.
 */
public final class RotationKernel {
  private static final String NAME = "RotationKernel";
  private static final int SIZES = 4;

  private RotationKernel() {}

  /** Of x (b, h, t, d); d is even. */
  public record Sizes(long b, long h, long t, long d) {
    /** Checks the sizes. */
    public Sizes {
      if (b < 1 || h < 1 || t < 1 || d < 2 || d % 2 != 0) {
        throw new IllegalArgumentException(
            NAME
                + ": cannot turn heads of shape ["
                + b
                + ", "
                + h
                + ", "
                + t
                + ", "
                + d
                + "]. Expected sizes of 1 or more, the last even.");
      }
    }
  }

  /**
   * Writes {@code y}.
   *
   * @param x (b, h, t, d)
   * @param cos (b, 1, t, d), whose strides may be 0
   * @param sin as cos, its first half negated
   * @param y (b, h, t, d), none of whose memory is x's
   * @param backward whether x is a gradient of y, which is turned back
   */
  public static void turn(
      ElementType type,
      Sizes sizes,
      Operand x,
      Operand cos,
      Operand sin,
      Operand y,
      boolean backward,
      int threads) {
    Arguments.call(NAME, threads);
    Arguments.addresses(NAME, 1, x.address(), cos.address(), sin.address(), y.address());
    long[] words = new long[SIZES + 4 * Operand.WORDS];
    words[0] = sizes.b();
    words[1] = sizes.h();
    words[2] = sizes.t();
    words[3] = sizes.d();
    y.write(words, sin.write(words, cos.write(words, x.write(words, SIZES))));
    KernelLibrary.rotation(words, backward, type.code(), threads);
  }
}
