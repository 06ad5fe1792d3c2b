package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class DropoutKernelTest extends KernelTestBase {
  private static final long SEED = 0x123456789abcdef0L;
  private static final long OFFSET = 0xfedcba9876543210L;

  /** Known answers of the generator's authors (Random123, kat_vectors). */
  @Test
  void referenceGivesTheKnownAnswers() {
    assertArrayEquals(
        new int[] {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        PhiloxReference.words(new int[] {0, 0, 0, 0}, new int[] {0, 0}));
    assertArrayEquals(
        new int[] {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        PhiloxReference.words(new int[] {-1, -1, -1, -1}, new int[] {-1, -1}));
    assertArrayEquals(
        new int[] {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
        PhiloxReference.words(
            new int[] {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
            new int[] {0xa4093822, 0x299f31d0}));
  }

  @ParameterizedTest
  @MethodSource("isasAndTypePairs")
  void maskIsThePhiloxWordOfEachElement(KernelIsa isa, ElementType xType, ElementType yType) {
    NativeKernels.useIsa(isa);
    double p = 0.3;
    for (int count : SIZES) {
      float[] values = rounded(xType, NativeArray.gaussian(count, 1.0, count));
      float[] before = rounded(yType, NativeArray.gaussian(count, 1.0, count + 1));
      try (NativeArray x = NativeArray.of(xType, values);
          NativeArray y = NativeArray.empty(yType, count);
          NativeArray sum = NativeArray.of(yType, before)) {
        DropoutKernel.forward(xType, x.address(), yType, y.address(), count, p, SEED, OFFSET, 2);
        DropoutKernel.backwardAdd(
            xType, x.address(), yType, sum.address(), count, p, SEED, OFFSET, 2);
        for (int i = 0; i < count; i++) {
          boolean keep = PhiloxReference.wordOf(i, SEED, OFFSET) >= Math.round(p * 0x1p32);
          float kept = keep ? values[i] * (float) (1 / (1 - p)) : 0f;
          assertEquals(Bf16.round(yType, kept), y.get(i), "element " + i + " of " + count);
          assertEquals(Bf16.round(yType, before[i] + kept), sum.get(i), "sum " + i);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("isas")
  void doesNotDependOnThreads(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    int count = 200_003;
    try (NativeArray x = NativeArray.of(ElementType.BFLOAT16, NativeArray.gaussian(count, 1.0, 7));
        NativeArray one = NativeArray.empty(ElementType.FLOAT32, count);
        NativeArray three = NativeArray.empty(ElementType.FLOAT32, count)) {
      DropoutKernel.forward(
          ElementType.BFLOAT16,
          x.address(),
          ElementType.FLOAT32,
          one.address(),
          count,
          0.1,
          3,
          4,
          1);
      DropoutKernel.forward(
          ElementType.BFLOAT16,
          x.address(),
          ElementType.FLOAT32,
          three.address(),
          count,
          0.1,
          3,
          4,
          3);
      assertArrayEquals(one.toBits(), three.toBits());
    }
  }

  /** Six standard deviations; and another offset or seed is another mask. */
  @ParameterizedTest
  @MethodSource("isas")
  void dropsTheAskedShare(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    int count = 1_000_000;
    float[] ones = new float[count];
    Arrays.fill(ones, 1f);
    try (NativeArray x = NativeArray.of(ElementType.FLOAT32, ones);
        NativeArray y = NativeArray.empty(ElementType.FLOAT32, count)) {
      for (double p : new double[] {0.05, 0.5}) {
        float[] first = mask(x, y, p, 1, 0);
        double spread = 6 * Math.sqrt(p * (1 - p) / count);
        assertEquals(p, dropped(first), spread);
        for (float[] other : new float[][] {mask(x, y, p, 1, 1), mask(x, y, p, 2, 0)}) {
          int both = 0;
          for (int i = 0; i < count; i++) {
            both += first[i] == 0 && other[i] == 0 ? 1 : 0;
          }
          assertEquals(p * p, (double) both / count, spread, "masks are not independent");
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("isasAndTypePairs")
  void probabilityZeroConvertsAndOneDropsAll(KernelIsa isa, ElementType xType, ElementType yType) {
    NativeKernels.useIsa(isa);
    // The first three lie half way between two bfloat16 values: ties to even.
    float[] values = {
      0x1.01p0f,
      0x1.03p0f,
      -0x1.01p0f,
      Float.NaN,
      Float.POSITIVE_INFINITY,
      Float.NEGATIVE_INFINITY,
      3.4e38f,
      1e-40f,
      -0f,
      0.1f
    };
    float[] many = values;
    for (int i = 0; i < 7; i++) {
      many = concat(many, values);
    }
    try (NativeArray x = NativeArray.of(xType, many);
        NativeArray y = NativeArray.empty(yType, many.length)) {
      DropoutKernel.forward(
          xType, x.address(), yType, y.address(), many.length, 0.0, SEED, OFFSET, 1);
      float[] expected = rounded(yType, rounded(xType, many));
      assertArrayEquals(expected, y.toArray());
      DropoutKernel.forward(
          xType, x.address(), yType, y.address(), many.length, 1.0, SEED, OFFSET, 1);
      assertArrayEquals(new float[many.length], y.toArray());
    }
  }

  @Test
  void refusesProbabilitiesOutsideZeroToOne() {
    for (double p : new double[] {-0.1, 1.1, Double.NaN}) {
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  DropoutKernel.forward(
                      ElementType.FLOAT32, 8, ElementType.FLOAT32, 8, 1, p, 0, 0, 1));
      assertEquals("DropoutKernel: p must be 0 to 1, got " + p + ".", e.getMessage());
    }
  }

  private static float[] mask(NativeArray x, NativeArray y, double p, long seed, long offset) {
    DropoutKernel.forward(
        ElementType.FLOAT32,
        x.address(),
        ElementType.FLOAT32,
        y.address(),
        x.count(),
        p,
        seed,
        offset,
        2);
    return y.toArray();
  }

  private static double dropped(float[] values) {
    int zeros = 0;
    for (float value : values) {
      zeros += value == 0 ? 1 : 0;
    }
    return (double) zeros / values.length;
  }
}
