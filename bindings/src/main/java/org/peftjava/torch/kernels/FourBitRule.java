package org.peftjava.torch.kernels;

/**
 * How a number in [-1, 1] becomes a 4-bit code: by the number of thresholds below it.
 *
 * @param thresholds ascending, at most 15, or 7 for magnitudes
 * @param codes the code for each number of thresholds, one more than these
 * @param magnitudes whether thresholds are compared with |x|; the highest bit of the code is then
 *     the sign, set for x below 0
 * @param zero the code of 0, which fills up the last byte
 */
public record FourBitRule(float[] thresholds, byte[] codes, boolean magnitudes, int zero) {
  /** Checks the sizes. */
  public FourBitRule {
    int most = magnitudes ? 7 : 15;
    if (thresholds.length > most || codes.length != thresholds.length + 1) {
      throw new IllegalArgumentException(
          "A 4-bit rule with "
              + thresholds.length
              + " thresholds and "
              + codes.length
              + " codes. Expected at most "
              + most
              + " thresholds and one code more.");
    }
    thresholds = thresholds.clone();
    codes = codes.clone();
  }

  /** 16 thresholds; above the real ones is none. */
  float[] padded() {
    float[] result = new float[16];
    java.util.Arrays.fill(result, Float.POSITIVE_INFINITY);
    System.arraycopy(thresholds, 0, result, 0, thresholds.length);
    return result;
  }

  /** 16 codes; the last repeats. */
  byte[] paddedCodes() {
    byte[] result = new byte[16];
    java.util.Arrays.fill(result, codes[codes.length - 1]);
    System.arraycopy(codes, 0, result, 0, codes.length);
    return result;
  }
}
