package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.torch.kernels.FourBitMatrix.Memory;

class FourBitKernelTest extends KernelTestBase {
  private static final FourBitRule NF4 =
      new FourBitRule(
          new float[] {
            -0.8480964f, -0.6106329f, -0.45999527f, -0.33967942f, -0.2346074f, -0.13791174f,
            -0.045525018f, 0.03979015f, 0.12025525f, 0.20352125f, 0.29201376f, 0.38931254f,
            0.50166345f, 0.6427869f, 0.86147845f
          },
          new byte[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
          false,
          7);
  private static final FourBitRule FP4 =
      new FourBitRule(
          new float[] {
            0.00260417f, 0.0859375f, 0.20833333f, 0.29166666f, 0.4166667f, 0.583333f, 0.8333333f
          },
          new byte[] {0, 1, 6, 7, 4, 5, 2, 3},
          true,
          0);

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void quantizesByTheRule(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    Random random = new Random(5);
    for (FourBitRule rule : new FourBitRule[] {NF4, FP4}) {
      for (int blockSize = 32; blockSize <= 4096; blockSize *= 2) {
        for (int count : new int[] {1, 31, 32, blockSize, 3 * blockSize + 1 + random.nextInt(80)}) {
          float[] xs = rounded(type, NativeArray.gaussian(count, 1.7, count));
          if (count > 2 * blockSize) {
            java.util.Arrays.fill(xs, blockSize, 2 * blockSize, 0f);
          }
          quantizeAndCompare(rule, type, xs, blockSize);
        }
      }
    }
  }

  private static void quantizeAndCompare(
      FourBitRule rule, ElementType type, float[] xs, int blockSize) {
    int blocks = (xs.length + blockSize - 1) / blockSize;
    try (NativeArray x = NativeArray.of(type, xs);
        NativeArray packed = NativeArray.ofBytes(new byte[(xs.length + 1) / 2]);
        NativeArray absmax = NativeArray.empty(ElementType.FLOAT32, blocks)) {
      FourBitKernel.quantize(
          rule, type, x.address(), xs.length, blockSize, packed.address(), absmax.address(), 2);
      for (int i = 0; i < xs.length + xs.length % 2; i++) {
        int block = Math.min(i, xs.length - 1) / blockSize;
        float largest = 0;
        for (int j = block * blockSize; j < Math.min(xs.length, (block + 1) * blockSize); j++) {
          largest = Math.max(largest, Math.abs(xs[j]));
        }
        assertEquals(largest, absmax.get(block));
        int expected =
            i == xs.length ? rule.zero() : code(rule, xs[i] * (1f / Math.max(largest, 1e-38f)));
        int actual = (packed.getByte(i / 2) >> (i % 2 == 0 ? 4 : 0)) & 15;
        assertEquals(expected, actual, blockSize + ": element " + i);
      }
    }
  }

  private static int code(FourBitRule rule, float x) {
    int below = 0;
    for (float threshold : rule.thresholds()) {
      below += (rule.magnitudes() ? Math.abs(x) : x) > threshold ? 1 : 0;
    }
    return rule.codes()[below] + (rule.magnitudes() && x < 0 ? 8 : 0);
  }

  /** A threshold itself takes the lower code, the next float the upper. */
  @ParameterizedTest
  @EnumSource(KernelIsa.class)
  void thresholdsAreExact(KernelIsa isa) {
    if (!NativeKernels.supportedIsas().contains(isa)) {
      assertThrows(IllegalArgumentException.class, () -> NativeKernels.useIsa(isa));
      return;
    }
    NativeKernels.useIsa(isa);
    for (FourBitRule rule : new FourBitRule[] {NF4, FP4}) {
      int n = rule.thresholds().length;
      float[] xs = new float[4 * n + 1];
      xs[4 * n] = 1f;
      for (int i = 0; i < n; i++) {
        xs[4 * i] = rule.thresholds()[i];
        xs[4 * i + 1] = Math.nextUp(xs[4 * i]);
        xs[4 * i + 2] = -xs[4 * i];
        xs[4 * i + 3] = -xs[4 * i + 1];
      }
      quantizeAndCompare(rule, ElementType.FLOAT32, xs, 64);
    }
  }

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void marksBlocksWithNumbersThatAreNotFinite(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
      for (int at : new int[] {32, 47, 63}) {
        float[] xs = NativeArray.gaussian(100, 1, 3);
        xs[at] = bad;
        try (NativeArray x = NativeArray.of(type, xs);
            NativeArray packed = NativeArray.ofBytes(new byte[50]);
            NativeArray absmax = NativeArray.empty(ElementType.FLOAT32, 4)) {
          FourBitKernel.quantize(
              NF4, type, x.address(), 100, 32, packed.address(), absmax.address(), 1);
          assertTrue(Float.isFinite(absmax.get(0)));
          assertTrue(Float.isNaN(absmax.get(1)));
          assertTrue(Float.isFinite(absmax.get(2)));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void dequantizesToTheBit(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    Random random = new Random(9);
    for (int round = 0; round < 60; round++) {
      int rows = 1 + random.nextInt(70);
      int columns = 1 + random.nextInt(300);
      int blockSize = 32 << random.nextInt(8);
      int first = random.nextInt(rows * columns);
      int count = random.nextInt(rows * columns - first + 1);
      boolean nested = random.nextBoolean();
      try (FourBitCase w = new FourBitCase(rows, columns, blockSize, nested, round);
          NativeArray y = NativeArray.empty(type, count)) {
        FourBitKernel.dequantize(w.matrix(), first, count, type, y.address(), 2);
        int[] expected = new int[count];
        for (int i = 0; i < count; i++) {
          expected[i] = Float.floatToRawIntBits(Bf16.round(type, w.get(first + i)));
        }
        assertArrayEquals(expected, y.toBits(), rows + "x" + columns + " blocks of " + blockSize);
      }
    }
  }

  /** As many pieces as make several threads work. */
  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void threadsShareLargeMatrices(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    int count = 301 * 331;
    try (FourBitCase w = new FourBitCase(301, 331, 64, true, 4);
        NativeArray one = NativeArray.empty(type, count);
        NativeArray three = NativeArray.empty(type, count)) {
      FourBitKernel.dequantize(w.matrix(), 0, count, type, one.address(), 1);
      FourBitKernel.dequantize(w.matrix(), 0, count, type, three.address(), 3);
      assertArrayEquals(one.toBits(), three.toBits());
      assertEquals(Bf16.round(type, w.get(count - 1)), three.get(count - 1));
    }
  }

  @Test
  void refusesSizesThatDoNotFit() {
    Memory values = new Memory(8, 16);
    assertEquals(
        "FourBitMatrix: there are 17 packed. Expected 18.",
        refusal(() -> FourBitMatrix.of(5, 7, 32, new Memory(8, 17), values, new Memory(8, 2))));
    assertEquals(
        "FourBitMatrix: there are 1 absmax. Expected 2.",
        refusal(() -> FourBitMatrix.of(5, 7, 32, new Memory(8, 18), values, new Memory(8, 1))));
    assertEquals(
        "FourBitKernel: the block size is 48. Expected a power of two, 32 to 4096.",
        refusal(() -> FourBitMatrix.of(5, 7, 48, new Memory(8, 18), values, new Memory(8, 1))));
    assertEquals(
        "FourBitMatrix: there are 1 nestedAbsmax. Expected 2.",
        refusal(
            () ->
                FourBitMatrix.nested(
                    257,
                    64,
                    64,
                    new Memory(8, 257 * 32),
                    values,
                    new Memory(8, 257),
                    new Memory(8, 1),
                    new Memory(8, 256),
                    0)));
    assertEquals(
        "FourBitMatrix: address is 0; expected native memory. Is a tensor closed?",
        refusal(() -> FourBitMatrix.of(5, 7, 32, new Memory(0, 18), values, new Memory(8, 2))));
    FourBitMatrix w = FourBitMatrix.of(5, 7, 32, new Memory(8, 18), values, new Memory(8, 2));
    assertEquals(
        "FourBitKernel: elements 30 to 36 of a matrix with 35 elements.",
        refusal(() -> FourBitKernel.dequantize(w, 30, 6, ElementType.FLOAT32, 8, 1)));
    assertEquals(
        "FourBitKernel: m must be 1 to 8, got 9. Use a matrix product.",
        refusal(() -> FourBitKernel.product(w, false, ElementType.FLOAT32, 8, 7, 0, 8, 5, 9, 1)));
    assertEquals(
        "FourBitKernel: xStride must be at least the row's width 7, got 6.",
        refusal(() -> FourBitKernel.product(w, false, ElementType.FLOAT32, 8, 6, 0, 8, 5, 1, 1)));
  }

  private static String refusal(org.junit.jupiter.api.function.Executable call) {
    return assertThrows(IllegalArgumentException.class, call).getMessage();
  }
}
