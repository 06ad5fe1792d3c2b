package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Products of a few rows of bfloat16 with a 4-bit weight, which processors with products of bytes
 * compute in integers: how exact they are, and numbers that are no integers. Other processors keep
 * the same promises.
 */
class FourBitIntegersTest extends KernelTestBase {
  private static final ElementType TYPE = ElementType.BFLOAT16;

  /**
   * What roundings may add up to: of x 2^-15 of the largest of its block, of the weight and for the
   * products that are left out as much again each.
   */
  static double bound(FourBitCase w, int first, float[] x, int at, int columns) {
    double sum = 0;
    for (int block = 0; block < columns; block += w.blockSize()) {
      double largest = 0;
      for (int i = block; i < block + w.blockSize(); i++) {
        largest = Math.max(largest, Math.abs(x[at + i]));
      }
      sum += w.blockSize() * Math.abs(w.scale(first + block)) * largest;
    }
    return 3 * 0x1p-15 * sum;
  }

  private static float[] product(FourBitCase w, float[] xs, float[] biases, int m, int threads) {
    int rows = biases.length;
    int columns = xs.length / m;
    try (NativeArray x = NativeArray.of(TYPE, xs);
        NativeArray bias = NativeArray.of(TYPE, biases);
        NativeArray y = NativeArray.empty(TYPE, m * rows)) {
      FourBitKernel.product(
          w.matrix(),
          false,
          TYPE,
          x.address(),
          columns,
          bias.address(),
          y.address(),
          rows,
          m,
          threads);
      return y.toArray();
    }
  }

  private static double sum(FourBitCase w, int row, float[] xs, int at, int columns) {
    double sum = 0;
    for (int k = 0; k < columns; k++) {
      sum += xs[at + k] * (double) w.get(row * columns + k);
    }
    return sum;
  }

  /**
   * A bias that takes away the sum shows what is wrong with it: at most an eighth of what is wrong
   * after the weight is rounded to bfloat16, or half of it where some numbers of x are a thousand
   * times as large as the rest.
   */
  @ParameterizedTest
  @MethodSource("isas")
  void errsFarLessThanRoundedWeights(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    int rows = 19;
    for (int blockSize = 32; blockSize <= 4096; blockSize *= 2) {
      for (int blocks : new int[] {1, 3, 17}) {
        for (float[] values : new float[][] {FourBitCase.NF4, FourBitCase.FP4}) {
          int columns = blockSize * Math.min(blocks, Math.max(2, 4096 / blockSize));
          int m = 1 + (blocks + blockSize / 32) % 4;
          float[] xs = rounded(TYPE, NativeArray.gaussian(m * columns, 1, blockSize + blocks));
          try (FourBitCase w =
              new FourBitCase(values, rows, columns, blockSize, blocks != 3, blocks)) {
            check(w, xs, rows, columns, m, 8);
            for (int i = 7; i < xs.length; i += 301) {
              xs[i] = Bf16.round(1000 * xs[i]);
            }
            check(w, xs, rows, columns, m, 2);
          }
        }
      }
    }
  }

  private static void check(FourBitCase w, float[] xs, int rows, int columns, int m, int times) {
    double ours = 0;
    double theirs = 0;
    for (int row = 0; row < m; row++) {
      float[] biases = new float[rows];
      double[] exact = new double[rows];
      for (int o = 0; o < rows; o++) {
        exact[o] = sum(w, o, xs, row * columns, columns);
        biases[o] = Bf16.round((float) -exact[o]);
      }
      float[] y = product(w, xs, biases, m, 2);
      for (int o = 0; o < rows; o++) {
        double rest = exact[o] + biases[o];
        double error = y[row * rows + o] - rest;
        double tolerance = bound(w, o * columns, xs, row * columns, columns) + 1e-6;
        assertEquals(0, error, tolerance + Math.abs(rest) / 256, "row " + o);
        ours += error * error;
        double rounded = 0;
        for (int k = 0; k < columns; k++) {
          float weight = w.get(o * columns + k);
          rounded += xs[row * columns + k] * ((double) Bf16.round(weight) - weight);
        }
        theirs += rounded * rounded;
      }
    }
    String what = w.blockSize() + " by " + columns + ", " + m + " rows: " + ours + ", " + theirs;
    assertTrue(Math.sqrt(ours) < Math.sqrt(theirs) / times, what);
  }

  @ParameterizedTest
  @MethodSource("isas")
  void tinyAndHugeNumbersAreNumbers(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    int rows = 9;
    int columns = 448;
    try (FourBitCase w = new FourBitCase(rows, columns, 64, true, 5)) {
      for (float size : new float[] {0x1p-133f, 1e-39f, 1e-30f, 1e-4f, 1e30f, 1e37f}) {
        float[] xs = rounded(TYPE, NativeArray.gaussian(2 * columns, size, 3));
        Arrays.fill(xs, 64, 128, 0f); // a block without numbers
        xs[200] *= 0x1p-20f;
        float[] y = product(w, xs, new float[rows], 2, 1);
        for (int row = 0; row < 2; row++) {
          for (int o = 0; o < rows; o++) {
            double expected = sum(w, o, xs, row * columns, columns);
            double tolerance =
                Math.abs(expected) / 256
                    + bound(w, o * columns, xs, row * columns, columns)
                    + 0x1p-133;
            assertEquals(expected, y[row * rows + o], tolerance, size + " at " + o);
          }
        }
      }
      float[] none = product(w, new float[columns], new float[rows], 1, 1);
      assertArrayEquals(new float[rows], none);
    }
  }

  @ParameterizedTest
  @MethodSource("isas")
  void whatIsNotFiniteIsSeen(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    int rows = 6;
    int columns = 192;
    try (FourBitCase w = new FourBitCase(FourBitCase.NF4, rows, columns, 64, false, 5)) {
      for (float wrong : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
        float[] xs = rounded(TYPE, NativeArray.gaussian(3 * columns, 1, 3));
        xs[columns + 70] = wrong;
        float[] y = product(w, xs, new float[rows], 3, 1);
        for (int o = 0; o < rows; o++) {
          assertTrue(Float.isFinite(y[o]) && Float.isFinite(y[2 * rows + o]), "another row of x");
          double expected = sum(w, o, xs, columns, columns);
          assertClose(expected, y[rows + o], 0, wrong + " at " + o);
        }
      }
    }
  }

  /** Codes' numbers come from files: whatever they are, the process goes on. */
  @Test
  void oddTablesOfNumbers() {
    int columns = 128;
    float[] xs = rounded(TYPE, NativeArray.gaussian(columns, 1, 3));
    float[][] tables = {new float[16], new float[16], new float[16], new float[16]};
    tables[1][3] = Float.NaN;
    tables[2][3] = 1e38f;
    tables[3][3] = 1e-40f;
    for (float[] values : tables) {
      try (FourBitCase w = new FourBitCase(values, 5, columns, 64, false, 5)) {
        float[] y = product(w, xs, new float[5], 1, 1);
        for (int o = 0; o < 5; o++) {
          double expected = sum(w, o, xs, 0, columns);
          double tolerance = Math.abs(expected) / 250 + 1e-40;
          if (Math.abs(expected) < 3e38) {
            assertClose(expected, y[o], tolerance, "row " + o);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4})
  void aRowDoesNotDependOnThoseBesideIt(int m) {
    Random random = new Random(m);
    for (int rows : new int[] {1, 2, 5, 61}) {
      int columns = 64 * (1 + random.nextInt(40));
      float[] xs = rounded(TYPE, NativeArray.gaussian(m * columns, 1, 3));
      try (FourBitCase w = new FourBitCase(rows, columns, 64, true, 5)) {
        float[] biases = rounded(TYPE, NativeArray.gaussian(rows, 1, 3));
        float[] one = product(w, xs, biases, m, 1);
        assertArrayEquals(one, product(w, xs, biases, m, 3));
        float[] last =
            product(w, Arrays.copyOfRange(xs, (m - 1) * columns, m * columns), biases, 1, 1);
        for (int o = 0; o < rows; o++) {
          assertEquals(
              last[o], one[(m - 1) * rows + o], 1e-5 + Math.abs(last[o]) / 128, "row " + o);
        }
      }
    }
  }
}
