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
   * rows.
   */
  static Stream<Arguments> sizes() {
    int[][] sizes = {
      {1, 1, 1},
      {5, 7, 9},
      {48, 48, 128},
      {50, 100, 70},
      {64, 96, 129},
      {67, 49, 300},
      {130, 65, 64},
      {1030, 10, 20}
    };
    return isas().flatMap(isa -> Stream.of(sizes).map(s -> Arguments.of(isa, s[0], s[1], s[2])));
  }

  @ParameterizedTest
  @MethodSource("sizes")
  void equalsTheSumInDoubles(KernelIsa isa, int m, int rows, int columns) {
    NativeKernels.useIsa(isa);
    if (!WideProductKernel.available()) {
      assertThrows(
          IllegalStateException.class,
          () -> WideProductKernel.product(1, 1, true, 0, 1, m, rows, columns, false, 1));
      return;
    }
    for (int kind = 0; kind < 8; kind++) {
      compare(m, rows, columns, (kind & 1) != 0, (kind & 2) != 0, (kind & 4) != 0);
    }
  }

  private static void compare(
      int m, int rows, int columns, boolean turned, boolean biased, boolean add) {
    int in = turned ? columns : rows;
    int out = turned ? rows : columns;
    float[] xs = NativeArray.gaussian(m * in, 1.0, 1);
    float[] ws = NativeArray.gaussian(rows * columns, 0.5, 2);
    float[] biases = NativeArray.gaussian(out, 2.0, 3);
    float[] before = NativeArray.gaussian(m * out, 1.0, 4);
    try (NativeArray x = NativeArray.of(ElementType.FLOAT32, xs);
        NativeArray w = NativeArray.of(ElementType.FLOAT32, ws);
        NativeArray bias = NativeArray.of(ElementType.FLOAT32, biases);
        NativeArray y = NativeArray.of(ElementType.FLOAT32, before);
        NativeArray alone = NativeArray.of(ElementType.FLOAT32, before)) {
      for (int threads = 1; threads <= 2; threads++) {
        WideProductKernel.product(
            x.address(),
            w.address(),
            turned,
            biased ? bias.address() : 0,
            threads == 1 ? alone.address() : y.address(),
            m,
            rows,
            columns,
            add,
            threads);
      }
      for (int i = 0; i < m * out; i++) {
        int o = i % out;
        double sum = (biased ? biases[o] : 0) + (add ? before[i] : 0);
        double magnitude = Math.abs(sum) + 1e-3;
        for (int k = 0; k < in; k++) {
          double term = xs[i / out * in + k] * (double) (turned ? ws[o * in + k] : ws[k * out + o]);
          sum += term;
          magnitude += Math.abs(term);
        }
        assertClose(sum, y.get(i), magnitude * 1e-6, "result " + i);
        assertEquals(alone.get(i), y.get(i), "threads change the result " + i);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("isas")
  void refusesWhatWouldEndTheProcess(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    Class<? extends RuntimeException> refusal =
        WideProductKernel.available()
            ? IllegalArgumentException.class
            : IllegalStateException.class;
    assertThrows(refusal, () -> WideProductKernel.product(0, 1, true, 0, 1, 4, 4, 4, false, 1));
    assertThrows(refusal, () -> WideProductKernel.product(1, 1, true, 0, 1, -1, 4, 4, false, 1));
    assertTrue(WideProductKernel.occupies(128, 2) && !WideProductKernel.occupies(127, 2));
  }
}
