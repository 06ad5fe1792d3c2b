package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class SmallProductKernelTest extends KernelTestBase {

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void equalsTheSumInDoubles(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    compareWithDoubles(type, 13, false);
    compareWithDoubles(type, 13, true);
    compareWithDoubles(type, 3 * 128 + 21, true); // whole groups of columns, and what is left
  }

  private static void compareWithDoubles(ElementType type, int n, boolean transposed) {
    for (int m = 1; m <= SmallProductKernel.MAX_ROWS; m++) {
      for (int k : n < 100 ? SIZES : new int[] {1, 17, 100}) {
        int xStride = k + 3;
        int wStride = (transposed ? n : k) + 5;
        int yStride = n + 2;
        float[] xs = rounded(type, NativeArray.gaussian(m * xStride, 1.0, k));
        float[] ws =
            rounded(type, NativeArray.gaussian((transposed ? k : n) * wStride, 0.5, k + 1));
        float[] biases = rounded(type, NativeArray.gaussian(n, 2.0, k + 2));
        try (NativeArray x = NativeArray.of(type, xs);
            NativeArray w = NativeArray.of(type, ws);
            NativeArray bias = NativeArray.of(type, biases);
            NativeArray y = NativeArray.empty(type, m * yStride)) {
          SmallProductKernel.product(
              type,
              x.address(),
              xStride,
              w.address(),
              wStride,
              transposed,
              bias.address(),
              y.address(),
              yStride,
              m,
              n,
              k,
              2);
          for (int row = 0; row < m; row++) {
            for (int o = 0; o < yStride; o++) {
              if (o >= n) {
                assertTrue(Float.isNaN(y.get(row * yStride + o)), "padding was written");
                continue;
              }
              double sum = biases[o];
              double magnitude = Math.abs(biases[o]);
              for (int i = 0; i < k; i++) {
                double term =
                    (double) xs[row * xStride + i]
                        * ws[transposed ? i * wStride + o : o * wStride + i];
                sum += term;
                magnitude += Math.abs(term);
              }
              double tolerance = 1e-6 * magnitude + Bf16.epsilon(type) * Math.abs(sum);
              assertClose(sum, y.get(row * yStride + o), tolerance, m + "x" + k + " at " + o);
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void doesNotDependOnThreads(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    int n = 513;
    int k = 257;
    try (NativeArray x = NativeArray.of(type, NativeArray.gaussian(3 * k, 1, 1));
        NativeArray w = NativeArray.of(type, NativeArray.gaussian(n * k, 1, 2));
        NativeArray one = NativeArray.empty(type, 3 * n);
        NativeArray three = NativeArray.empty(type, 3 * n)) {
      for (boolean transposed : new boolean[] {false, true}) {
        int stride = transposed ? n : k;
        SmallProductKernel.product(
            type, x.address(), k, w.address(), stride, transposed, 0, one.address(), n, 3, n, k, 1);
        SmallProductKernel.product(
            type,
            x.address(),
            k,
            w.address(),
            stride,
            transposed,
            0,
            three.address(),
            n,
            3,
            n,
            k,
            3);
        assertArrayEquals(one.toBits(), three.toBits());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void passesNanAndInfinityOn(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    int k = 37;
    float[] ws = NativeArray.gaussian(3 * k, 1, 3);
    ws[5] = Float.NaN;
    ws[k + 36] = Float.POSITIVE_INFINITY;
    float[] xs = new float[k];
    java.util.Arrays.fill(xs, 1f);
    try (NativeArray x = NativeArray.of(type, xs);
        NativeArray w = NativeArray.of(type, ws);
        NativeArray y = NativeArray.empty(type, 3)) {
      SmallProductKernel.product(
          type, x.address(), k, w.address(), k, false, 0, y.address(), 3, 1, 3, k, 1);
      assertTrue(Float.isNaN(y.get(0)));
      assertEquals(Float.POSITIVE_INFINITY, y.get(1));
      assertTrue(Float.isFinite(y.get(2)));
    }
  }

  /** y = bias exactly when k is 0; x and w are then never read. */
  @Test
  void withoutInputsIsTheBias() {
    try (NativeArray bias = NativeArray.of(ElementType.FLOAT32, 1.5f, -2f);
        NativeArray y = NativeArray.empty(ElementType.FLOAT32, 2)) {
      SmallProductKernel.product(
          ElementType.FLOAT32, 0, 0, 0, 0, false, bias.address(), y.address(), 2, 1, 2, 0, 1);
      assertArrayEquals(new float[] {1.5f, -2f}, y.toArray());
    }
  }

  @Test
  void refusesWhatWouldReadElsewhere() {
    IllegalArgumentException tooMany =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                SmallProductKernel.product(
                    ElementType.FLOAT32, 8, 4, 8, 4, false, 0, 8, 4, 9, 4, 4, 1));
    assertEquals(
        "SmallProductKernel: m must be 1 to 8, got 9. Use a matrix product.", tooMany.getMessage());
    assertThrows(
        IllegalArgumentException.class,
        () ->
            SmallProductKernel.product(
                ElementType.FLOAT32, 0, 4, 8, 4, false, 0, 8, 4, 1, 4, 4, 1));
    assertThrows(
        IllegalArgumentException.class,
        () ->
            SmallProductKernel.product(
                ElementType.FLOAT32, 8, 4, 8, 3, false, 0, 8, 4, 1, 4, 4, 1));
  }
}
