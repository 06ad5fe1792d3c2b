package org.peftjava.torch.kernels;

/**
 * A map of 256 values in [-1, 1] for 8-bit codes: the code of x is the number of limits below x.
 *
 * <p>The kernels read the code of the least number whose upper 16 bits are those of x, which is
 * that of x or one less.
 */
public final class ByteMap {
  private static final int CODES = 256;
  private static final int PREFIXES = 1 << 16;

  /** Kernels read words of four bytes at each byte. */
  private static final int SLACK = 3;

  final float[] values;
  final float[] limits;
  final byte[] first;

  /**
   * A map.
   *
   * @param values of the 256 codes
   * @param limits ascending, 256 of them, the last one infinite
   * @throws IllegalArgumentException if two limits are nearer to each other than 7 bits of fraction
   *     tell apart
   */
  public ByteMap(float[] values, float[] limits) {
    if (values.length != CODES
        || limits.length != CODES
        || limits[CODES - 1] != Float.POSITIVE_INFINITY) {
      throw new IllegalArgumentException(
          "A map of "
              + values.length
              + " values and "
              + limits.length
              + " limits. Expected 256 of each, with an infinite limit at the end.");
    }
    this.values = values.clone();
    this.limits = limits.clone();
    first = new byte[PREFIXES + SLACK];
    for (int prefix = 0; prefix < PREFIXES; prefix++) {
      first[prefix] = (byte) firstCode(prefix);
    }
  }

  private int firstCode(int prefix) {
    float one = Float.intBitsToFloat(prefix << 16);
    float other = Float.intBitsToFloat(prefix << 16 | 0xffff);
    if (Float.isNaN(one) || Float.isNaN(other)) {
      return 0;
    }
    int least = code(Math.min(one, other));
    int most = code(Math.max(one, other));
    if (most > least + 1) {
      throw new IllegalArgumentException(
          "The limits "
              + limits[least]
              + " and "
              + limits[least + 1]
              + " of an 8-bit map are too near to each other.");
    }
    return least;
  }

  private int code(float x) {
    int code = 0;
    for (int step = CODES / 2; step > 0; step /= 2) {
      code += x > limits[code + step - 1] ? step : 0;
    }
    return code;
  }
}
