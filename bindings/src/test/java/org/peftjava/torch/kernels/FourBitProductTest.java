package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** {@link FourBitKernel#product} against sums in doubles. */
class FourBitProductTest extends KernelTestBase {

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void equalsTheSumInDoubles(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    Random random = new Random(11);
    for (int round = 0; round < 60; round++) {
      // Columns in whole groups of 32 take another way than the rest.
      int columns = round % 3 == 0 ? 1 + random.nextInt(300) : 32 * (1 + random.nextInt(12));
      int rows = 1 + random.nextInt(40);
      int blockSize = 32 << random.nextInt(8);
      try (FourBitCase w = new FourBitCase(rows, columns, blockSize, random.nextBoolean(), round)) {
        int m = 1 + random.nextInt(FourBitKernel.MAX_ROWS);
        boolean integers =
            type == ElementType.BFLOAT16
                && isa.compareTo(KernelIsa.AVX512_VNNI) >= 0
                && m <= 4
                && columns % blockSize == 0;
        compare(w, rows, columns, m, type, false, round % 2 == 0, integers);
        compare(w, rows, columns, m, type, true, round % 2 == 0, false);
      }
    }
  }

  private static void compare(
      FourBitCase w,
      int rows,
      int columns,
      int m,
      ElementType type,
      boolean transposed,
      boolean withBias,
      boolean integers) {
    int in = transposed ? rows : columns;
    int out = transposed ? columns : rows;
    int xStride = in + 3;
    int yStride = out + 2;
    float[] xs = rounded(type, NativeArray.gaussian(m * xStride, 1, m));
    float[] biases = rounded(type, NativeArray.gaussian(out, 2, m + 1));
    try (NativeArray x = NativeArray.of(type, xs);
        NativeArray bias = NativeArray.of(type, biases);
        NativeArray y = NativeArray.empty(type, m * yStride)) {
      FourBitKernel.product(
          w.matrix(),
          transposed,
          type,
          x.address(),
          xStride,
          withBias ? bias.address() : 0,
          y.address(),
          yStride,
          m,
          2);
      for (int row = 0; row < m; row++) {
        for (int o = 0; o < yStride; o++) {
          if (o >= out) {
            assertTrue(Float.isNaN(y.get(row * yStride + o)), "padding was written");
            continue;
          }
          double sum = withBias ? biases[o] : 0;
          double magnitude = Math.abs(sum);
          for (int i = 0; i < in; i++) {
            double weight = w.get(transposed ? i * columns + o : o * columns + i);
            double term = xs[row * xStride + i] * weight;
            sum += term;
            magnitude += Math.abs(term);
          }
          double tolerance = 1e-6 * magnitude + Bf16.epsilon(type) * Math.abs(sum);
          if (integers) {
            tolerance += FourBitIntegersTest.bound(w, o * columns, xs, row * xStride, columns);
          }
          assertClose(sum, y.get(row * yStride + o), tolerance, rows + "x" + columns + " at " + o);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void doesNotDependOnThreads(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    for (int columns : new int[] {288, 331, 448}) {
      int rows = 513;
      int m = columns == 448 ? 1 : 5;
      try (FourBitCase w = new FourBitCase(rows, columns, 64, true, 7)) {
        for (boolean transposed : new boolean[] {false, true}) {
          int in = transposed ? rows : columns;
          int out = transposed ? columns : rows;
          try (NativeArray x = NativeArray.of(type, NativeArray.gaussian(m * in, 1, 1));
              NativeArray one = NativeArray.empty(type, m * out);
              NativeArray three = NativeArray.empty(type, m * out)) {
            FourBitKernel.product(
                w.matrix(), transposed, type, x.address(), in, 0, one.address(), out, m, 1);
            FourBitKernel.product(
                w.matrix(), transposed, type, x.address(), in, 0, three.address(), out, m, 3);
            assertArrayEquals(one.toBits(), three.toBits());
          }
        }
      }
    }
  }
}
