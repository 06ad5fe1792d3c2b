package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@link FourBitTileKernel} where there is AMX; that it is refused elsewhere. */
class FourBitTileKernelTest extends KernelTestBase {
  @ParameterizedTest
  @MethodSource("isas")
  void equalsTheSumInDoublesOrIsRefused(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    Random random = new Random(3);
    for (int round = 0; round < 13; round++) {
      boolean twice = round == 12; // more rows than are packed at once
      int rows = 1 + random.nextInt(round < 10 || twice ? 90 : 700);
      int columns = 128 * (1 + random.nextInt(round < 10 ? 6 : 2));
      int m = (twice ? 1025 : 1) + random.nextInt(round < 5 ? 20 : round < 10 ? 70 : 600);
      int blockSize = 64 << random.nextInt(7);
      try (FourBitCase w = new FourBitCase(rows, columns, blockSize, random.nextBoolean(), round)) {
        assertEquals(isa == KernelIsa.AMX, FourBitTileKernel.covers(w.matrix()));
        if (isa == KernelIsa.AMX) {
          for (ElementType type : ElementType.values()) {
            compare(type, w, rows, columns, m, false);
            compare(type, w, rows, columns, m, true);
          }
        } else {
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  FourBitTileKernel.product(
                      w.matrix(), false, ElementType.BFLOAT16, 8, columns, 0, 8, rows, m, 1));
        }
      }
    }
  }

  private static void compare(
      ElementType type, FourBitCase w, int rows, int columns, int m, boolean transposed) {
    int in = transposed ? rows : columns;
    int out = transposed ? columns : rows;
    int xStride = in + 3;
    int yStride = out + 2;
    float[] xs = rounded(type, NativeArray.gaussian(m * xStride, 1, m));
    float[] biases = rounded(type, NativeArray.gaussian(out, 2, m + 1));
    try (NativeArray x = NativeArray.of(type, xs);
        NativeArray bias = NativeArray.of(type, biases);
        NativeArray y = NativeArray.empty(type, m * yStride);
        NativeArray again = NativeArray.empty(type, m * yStride)) {
      long biasAddress = transposed ? 0 : bias.address();
      assertTrue(
          FourBitTileKernel.product(
              w.matrix(),
              transposed,
              type,
              x.address(),
              xStride,
              biasAddress,
              y.address(),
              yStride,
              m,
              1));
      FourBitTileKernel.product(
          w.matrix(),
          transposed,
          type,
          x.address(),
          xStride,
          biasAddress,
          again.address(),
          yStride,
          m,
          3);
      assertArrayEquals(y.toBits(), again.toBits(), "depends on threads");
      float[] weights = new float[rows * columns];
      for (int i = 0; i < weights.length; i++) {
        weights[i] = Bf16.round(type, w.get(i));
      }
      for (int row = 0; row < m; row++) {
        for (int o = 0; o < yStride; o++) {
          if (o >= out) {
            assertTrue(Float.isNaN(y.get(row * yStride + o)), "padding was written");
            continue;
          }
          double sum = transposed ? 0 : biases[o];
          double magnitude = Math.abs(sum);
          for (int i = 0; i < in; i++) {
            double term =
                (double) xs[row * xStride + i]
                    * weights[transposed ? i * columns + o : o * columns + i];
            sum += term;
            magnitude += Math.abs(term);
          }
          double tolerance =
              (type == ElementType.FLOAT32 ? 2e-7 : 1e-6) * magnitude
                  + Bf16.epsilon(type) * Math.abs(sum);
          assertClose(sum, y.get(row * yStride + o), tolerance, rows + "x" + columns + " at " + o);
        }
      }
    }
  }

  /** What has no parts is said, and only that. */
  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, -3.4e38f, 1e38f})
  void saysIfANumberHasNoParts(float number) {
    List<KernelIsa> all = NativeKernels.supportedIsas();
    NativeKernels.useIsa(all.get(all.size() - 1));
    float[] xs = NativeArray.gaussian(9 * 128, 1, 5);
    xs[200] = number;
    try (FourBitCase w = new FourBitCase(40, 128, 64, true, 2);
        NativeArray x = NativeArray.of(ElementType.FLOAT32, xs);
        NativeArray y = NativeArray.empty(ElementType.FLOAT32, 9 * 40)) {
      boolean covered = FourBitTileKernel.covers(w.matrix());
      assertEquals(NativeKernels.isa().orElseThrow() == KernelIsa.AMX, covered);
      assertEquals(
          covered && number == 1e38f,
          covered
              && FourBitTileKernel.product(
                  w.matrix(),
                  false,
                  ElementType.FLOAT32,
                  x.address(),
                  128,
                  0,
                  y.address(),
                  40,
                  9,
                  1));
    }
  }

  /** Blocks of 32 and other columns take another way. */
  @Test
  void doesNotCoverOtherShapes() {
    List<KernelIsa> all = NativeKernels.supportedIsas();
    NativeKernels.useIsa(all.get(all.size() - 1));
    try (FourBitCase smallBlocks = new FourBitCase(4, 128, 32, false, 1);
        FourBitCase oddColumns = new FourBitCase(4, 96, 64, false, 1)) {
      for (FourBitCase w : List.of(smallBlocks, oddColumns)) {
        String message =
            assertThrows(
                    IllegalArgumentException.class,
                    () ->
                        FourBitTileKernel.product(
                            w.matrix(), false, ElementType.BFLOAT16, 8, 128, 0, 8, 4, 4, 1))
                .getMessage();
        assertTrue(message.endsWith("columns. Check covers(w)."), message);
      }
    }
  }
}
