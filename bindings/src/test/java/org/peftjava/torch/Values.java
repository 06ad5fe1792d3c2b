package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;

/** Numbers for tests: reproducible, no zeros, and how far two arrays may differ. */
public final class Values {
  private Values() {}

  /** Normal numbers, rounded to bfloat16 first so that every floating-point type holds them. */
  public static Tensor normal(long seed, DType type, long... sizes) {
    Random random = new Random(seed);
    float[] values = new float[(int) Shape.of(sizes).numel()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return Creation.ofFloats(values, sizes).to(DType.BFLOAT16).to(type);
  }

  /** What rounding may do to a sum of some products in this type. */
  public static double tolerance(DType type) {
    return type == DType.BFLOAT16 ? 0.03 : 2e-5;
  }

  /** Asserts {@code |expected - actual| <= tolerance * (1 + |expected|)} for each element. */
  public static void assertClose(float[] expected, float[] actual, double tolerance, String what) {
    assertEquals(expected.length, actual.length, what);
    for (int i = 0; i < expected.length; i++) {
      double allowed = tolerance * (1 + Math.abs(expected[i]));
      assertTrue(
          Math.abs(expected[i] - actual[i]) <= allowed,
          what + "[" + i + "]: expected " + expected[i] + ", got " + actual[i]);
    }
  }
}
