package org.peftjava.torch.kernels;

/** A second, slow bfloat16 rounding to hold the kernels against: by distance, not by bit tricks. */
final class Bf16 {
  private Bf16() {}

  /** The nearest bfloat16, ties to the even one; NaN becomes 0x7fc0. */
  static float round(float value) {
    if (Float.isNaN(value)) {
      return Float.intBitsToFloat(0x7fc00000);
    }
    if (Float.isInfinite(value)) {
      return value;
    }
    int low = Float.floatToRawIntBits(value) & 0xffff0000;
    int high = low + 0x10000;
    double below = Math.abs((double) value - Float.intBitsToFloat(low));
    // Above the largest finite bfloat16 the next step would be 2^128, not infinity.
    double next =
        Float.isInfinite(Float.intBitsToFloat(high))
            ? Math.copySign(0x1p128, value)
            : Float.intBitsToFloat(high);
    double above = Math.abs(next - (double) value);
    boolean takeHigh = above < below || (above == below && ((high >>> 16) & 1) == 0);
    return Float.intBitsToFloat(takeHigh ? high : low);
  }

  /** The value rounded to an element type. */
  static float round(ElementType type, double value) {
    return type == ElementType.FLOAT32 ? (float) value : round((float) value);
  }

  /** What an element type rounds by, relatively: half the distance of neighbours. */
  static double epsilon(ElementType type) {
    return type == ElementType.FLOAT32 ? 0x1p-24 : 0x1p-8;
  }
}
