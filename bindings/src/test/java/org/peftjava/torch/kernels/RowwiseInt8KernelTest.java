package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class RowwiseInt8KernelTest extends KernelTestBase {

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void quantizesRows(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    for (int columns : SIZES) {
      for (double threshold : new double[] {0, 2.0}) {
        int rows = 5;
        float[] xs = rounded(type, NativeArray.gaussian(rows * columns, 1.3, columns));
        java.util.Arrays.fill(xs, columns, 2 * columns, 0f);
        xs[0] = 3e-6f; // below the normal numbers of float16
        xs[3 * columns] = -1e-8f;
        compareCodes(type, xs, rows, columns, threshold);
      }
    }
  }

  private static void compareCodes(
      ElementType type, float[] xs, int rows, int columns, double threshold) {
    try (NativeArray x = NativeArray.of(type, xs);
        NativeArray codes = NativeArray.ofBytes(new byte[rows * columns]);
        NativeArray absmax = NativeArray.empty(ElementType.FLOAT32, rows);
        NativeArray outliers = NativeArray.ofBytes(new byte[columns])) {
      RowwiseInt8Kernel.quantize(
          type,
          x.address(),
          rows,
          columns,
          threshold,
          codes.address(),
          absmax.address(),
          threshold == 0 ? 0 : outliers.address(),
          2);
      boolean[] outlier = new boolean[columns];
      for (int i = 0; i < rows * columns && threshold != 0; i++) {
        outlier[i % columns] |= Math.abs(half(Bf16.round(type, xs[i]))) >= threshold;
      }
      for (int row = 0; row < rows; row++) {
        float largest = 0;
        for (int i = row * columns; i < (row + 1) * columns; i++) {
          float size = Math.abs(half(Bf16.round(type, xs[i])));
          largest = threshold != 0 && size >= threshold ? largest : Math.max(largest, size);
        }
        assertEquals(largest, absmax.get(row));
        float scale = largest == 0 ? 0 : 1f / largest * 127f;
        for (int column = 0; column < columns; column++) {
          int i = row * columns + column;
          int expected =
              outlier[column] ? 0 : (int) Math.rint(half(Bf16.round(type, xs[i])) * scale);
          assertEquals(expected, codes.getByte(i), "row " + row + " column " + column);
        }
      }
      for (int column = 0; column < columns; column++) {
        assertEquals(outlier[column] ? 1 : 0, outliers.getByte(column));
      }
    }
  }

  /** The nearest number of float16, ties to even, by exact arithmetic. */
  private static float half(float value) {
    int exponent = Math.max(Math.getExponent(value), -14);
    double step = Math.scalb(1.0, exponent - 10);
    return (float) (Math.rint(value / step) * step);
  }

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void marksRowsWithNumbersThatAreNotFinite(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
      float[] xs = NativeArray.gaussian(3 * 21, 1, 3);
      xs[21 + 20] = bad;
      try (NativeArray x = NativeArray.of(type, xs);
          NativeArray codes = NativeArray.ofBytes(new byte[63]);
          NativeArray absmax = NativeArray.empty(ElementType.FLOAT32, 3)) {
        RowwiseInt8Kernel.quantize(
            type, x.address(), 3, 21, 0, codes.address(), absmax.address(), 0, 1);
        assertTrue(Float.isFinite(absmax.get(0)));
        assertTrue(Float.isNaN(absmax.get(1)));
        assertTrue(Float.isFinite(absmax.get(2)));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void dequantizesToTheBit(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    for (int columns : SIZES) {
      byte[] codes = new byte[3 * columns];
      new Random(columns).nextBytes(codes);
      float[] scales = NativeArray.gaussian(3, 0.4, columns);
      try (NativeArray w = NativeArray.ofBytes(codes);
          NativeArray absmax = NativeArray.of(ElementType.FLOAT32, scales);
          NativeArray y = NativeArray.empty(type, 3 * columns)) {
        RowwiseInt8Kernel.dequantize(
            w.address(), absmax.address(), 3, columns, type, y.address(), 2);
        for (int i = 0; i < codes.length; i++) {
          float expected = codes[i] * scales[i / columns] * (float) 7.874015718698502e-3;
          assertEquals(Bf16.round(type, expected), y.get(i));
        }
      }
    }
  }

  /** Sums are exact, so every bit is known: codes up to the largest that there are. */
  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void productIsExact(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    Random random = new Random(8);
    for (int m : new int[] {1, 2, 3, 4, 5, 6, 7, 8, 19}) {
      for (int k : SIZES) {
        int n = 1 + random.nextInt(70);
        byte[] xs = new byte[m * k];
        byte[] ws = new byte[n * k];
        random.nextBytes(xs);
        random.nextBytes(ws);
        java.util.Arrays.fill(xs, 0, k, (byte) -128);
        java.util.Arrays.fill(ws, 0, k, (byte) -128);
        float[] xScales = NativeArray.gaussian(m, 1, k);
        float[] wScales = NativeArray.gaussian(n, 1, k + 1);
        float[] biases = NativeArray.gaussian(n, 1, k + 2);
        try (NativeArray x = NativeArray.ofBytes(xs);
            NativeArray w = NativeArray.ofBytes(ws);
            NativeArray xAbsmax = NativeArray.of(ElementType.FLOAT32, xScales);
            NativeArray wAbsmax = NativeArray.of(ElementType.FLOAT32, wScales);
            NativeArray bias = NativeArray.of(ElementType.FLOAT32, biases);
            NativeArray y = NativeArray.empty(type, m * n)) {
          boolean withBias = m % 2 == 0;
          RowwiseInt8Kernel.product(
              x.address(),
              xAbsmax.address(),
              w.address(),
              wAbsmax.address(),
              withBias ? bias.address() : 0,
              type,
              y.address(),
              m,
              n,
              k,
              2);
          float[] expected = new float[m * n];
          for (int i = 0; i < m * n; i++) {
            int sum = 0;
            for (int j = 0; j < k; j++) {
              sum += xs[i / n * k + j] * ws[i % n * k + j];
            }
            float value = sum * (xScales[i / n] * wScales[i % n]) * (float) (1.0 / (127 * 127));
            expected[i] = Bf16.round(type, withBias ? value + biases[i % n] : value);
          }
          assertArrayEquals(expected, y.toArray(), m + "x" + n + "x" + k);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("isas")
  void longRowsDoNotOverflow(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    int k = (int) RowwiseInt8Kernel.MAX_TERMS;
    byte[] most = new byte[k];
    java.util.Arrays.fill(most, (byte) 127);
    try (NativeArray x = NativeArray.ofBytes(most);
        NativeArray one = NativeArray.of(ElementType.FLOAT32, 1f);
        NativeArray y = NativeArray.empty(ElementType.FLOAT32, 1)) {
      RowwiseInt8Kernel.product(
          x.address(),
          one.address(),
          x.address(),
          one.address(),
          0,
          ElementType.FLOAT32,
          y.address(),
          1,
          1,
          k,
          1);
      assertEquals(k, y.get(0), 0.01f);
    }
  }

  @Test
  void refusesWhatWouldReadElsewhere() {
    assertEquals(
        "RowwiseInt8Kernel: k must be at most 100000, got 100001. Split the product.",
        assertThrows(
                IllegalArgumentException.class,
                () ->
                    RowwiseInt8Kernel.product(
                        8, 8, 8, 8, 0, ElementType.FLOAT32, 8, 1, 1, 100_001, 1))
            .getMessage());
    assertThrows(
        IllegalArgumentException.class,
        () -> RowwiseInt8Kernel.dequantize(0, 8, 1, 4, ElementType.FLOAT32, 8, 1));
    assertThrows(
        IllegalArgumentException.class,
        () -> RowwiseInt8Kernel.quantize(ElementType.FLOAT32, 8, -1, 4, 0, 8, 8, 0, 1));
  }
}
