package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class WideProductKernelTest extends KernelTestBase {

  /**
   * Sizes around its blocks: 6 rows, 16 lanes, 48 rows of the weight, 64 columns, 128 terms, 1024
   * rows; tiles of 16 and 32, runs of 128, panels of 4 and 16 tiles, 256 results, 512 rows; of few
   * rows 2048 columns.
   */
  static Stream<Arguments> sizes() {
    int[][] sizes = {
      {1, 1, 1},
      {2, 64, 96},
      {5, 7, 9},
      {8, 40, 4200},
      {17, 70, 64},
      {32, 160, 288},
      {33, 31, 33},
      {48, 48, 128},
      {50, 100, 70},
      {64, 96, 129},
      {67, 49, 300},
      {20, 270, 530},
      {130, 65, 64},
      {1030, 10, 20}
    };
    return isasAndTypes()
        .flatMap(
            each ->
                Stream.of(sizes)
                    .map(s -> Arguments.of(each.get()[0], each.get()[1], s[0], s[1], s[2])));
  }

  @ParameterizedTest
  @MethodSource("sizes")
  void equalsTheSumInDoubles(KernelIsa isa, ElementType type, int m, int rows, int columns) {
    NativeKernels.useIsa(isa);
    if (!WideProductKernel.available(type)) {
      assertThrows(
          IllegalStateException.class,
          () -> WideProductKernel.product(type, 1, 1, true, 0, 1, m, rows, columns, 1));
      return;
    }
    for (int kind = 0; kind < 4; kind++) {
      boolean turned = (kind & 1) != 0;
      float[] xs = rounded(type, NativeArray.gaussian(m * (turned ? columns : rows), 1.0, 1));
      float[] ws = rounded(type, NativeArray.gaussian(rows * columns, 0.5, 2));
      compare(type, xs, ws, m, rows, turned, (kind & 2) != 0);
    }
  }

  /** What has no parts of bfloat16, in x or in the weight, and numbers that are far apart. */
  @ParameterizedTest
  @MethodSource("isas")
  void keepsWhatFloat32Keeps(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    if (!WideProductKernel.available(ElementType.FLOAT32)) {
      assertTrue(isa.compareTo(KernelIsa.AVX512) < 0, "a missing kernel");
      return;
    }
    int m = 50;
    int rows = 40;
    int columns = 70;
    float[] odd = {
      Float.POSITIVE_INFINITY,
      Float.NEGATIVE_INFINITY,
      Float.NaN,
      Float.MAX_VALUE,
      -3.4e38f,
      1e30f,
      1e-30f,
      -0.0f
    };
    for (float number : odd) {
      for (int kind = 0; kind < 4; kind++) {
        boolean turned = (kind & 1) != 0;
        float[] xs = NativeArray.gaussian(m * (turned ? columns : rows), 0.5, 3);
        float[] ws = NativeArray.gaussian(rows * columns, 0.5, 4);
        ((kind & 2) != 0 ? xs : ws)[777] = number;
        compare(ElementType.FLOAT32, xs, ws, m, rows, turned, false);
      }
    }
  }

  private static void compare(
      ElementType type, float[] xs, float[] ws, int m, int rows, boolean turned, boolean biased) {
    int columns = ws.length / rows;
    int in = turned ? columns : rows;
    int out = turned ? rows : columns;
    float[] biases = rounded(type, NativeArray.gaussian(out, 2.0, 3));
    try (NativeArray x = NativeArray.of(type, xs);
        NativeArray w = NativeArray.of(type, ws);
        NativeArray bias = NativeArray.of(type, biases);
        NativeArray y = NativeArray.of(type, new float[m * out]);
        NativeArray alone = NativeArray.of(type, new float[m * out])) {
      for (int threads = 1; threads <= 2; threads++) {
        WideProductKernel.product(
            type,
            x.address(),
            w.address(),
            turned,
            biased ? bias.address() : 0,
            threads == 1 ? alone.address() : y.address(),
            m,
            rows,
            columns,
            threads);
      }
      double unit = type == ElementType.FLOAT32 ? 3e-7 : 4.1e-3;
      for (int i = 0; i < m * out; i++) {
        int o = i % out;
        double sum = biased ? biases[o] : 0;
        double magnitude = Math.abs(sum) + 1e-3;
        for (int k = 0; k < in; k++) {
          double term = xs[i / out * in + k] * (double) (turned ? ws[o * in + k] : ws[k * out + o]);
          sum += term;
          magnitude += Math.abs(term);
        }
        double tolerance = type == ElementType.FLOAT32 ? magnitude : Math.abs(sum) + 1e-3;
        assertClose((float) sum, y.get(i), tolerance * unit, "result " + i);
        assertEquals(alone.get(i), y.get(i), "threads change the result " + i);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void refusesWhatWouldEndTheProcess(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    Class<? extends RuntimeException> refusal =
        WideProductKernel.available(type)
            ? IllegalArgumentException.class
            : IllegalStateException.class;
    assertThrows(refusal, () -> WideProductKernel.product(type, 0, 1, true, 0, 1, 4, 4, 4, 1));
    assertThrows(refusal, () -> WideProductKernel.product(type, 1, 1, true, 0, 1, -1, 4, 4, 1));
    assertTrue(WideProductKernel.occupies(128, 2) && !WideProductKernel.occupies(127, 2));
  }
}
