package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class LayerNormKernelTest extends KernelTestBase {
  private static final double EPS = 1e-5;
  private static final int ROWS = 5;

  @ParameterizedTest
  @MethodSource("isasAndTypePairs")
  void forwardEqualsTheDefinition(KernelIsa isa, ElementType type, ElementType weightType) {
    NativeKernels.useIsa(isa);
    for (int width : SIZES) {
      Case c = new Case(type, weightType, width);
      try (NativeArray x = NativeArray.of(type, c.x);
          NativeArray residual = NativeArray.of(type, c.residual);
          NativeArray weight = NativeArray.of(weightType, c.weight);
          NativeArray bias = NativeArray.of(weightType, c.bias);
          NativeArray sum = NativeArray.empty(type, ROWS * width);
          NativeArray y = NativeArray.empty(type, ROWS * width);
          NativeArray mean = NativeArray.empty(ElementType.FLOAT32, ROWS);
          NativeArray rstd = NativeArray.empty(ElementType.FLOAT32, ROWS)) {
        LayerNormKernel.forwardResidual(
            type,
            weightType,
            x.address(),
            residual.address(),
            sum.address(),
            weight.address(),
            bias.address(),
            y.address(),
            mean.address(),
            rstd.address(),
            ROWS,
            width,
            EPS,
            2);
        float[] h = new float[ROWS * width];
        for (int i = 0; i < h.length; i++) {
          h[i] = Bf16.round(type, c.x[i] + c.residual[i]);
        }
        assertArrayEquals(h, sum.toArray());
        c.checkForward(h, y, mean, rstd, true);
        LayerNormKernel.forward(
            type,
            weightType,
            x.address(),
            0,
            0,
            y.address(),
            mean.address(),
            rstd.address(),
            ROWS,
            width,
            EPS,
            2);
        c.checkForward(c.x, y, mean, rstd, false);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("isasAndTypePairs")
  void backwardEqualsTheFormula(KernelIsa isa, ElementType type, ElementType weightType) {
    NativeKernels.useIsa(isa);
    for (int width : SIZES) {
      Case c = new Case(type, weightType, width);
      try (NativeArray x = NativeArray.of(type, c.x);
          NativeArray gy = NativeArray.of(type, c.gy);
          NativeArray weight = NativeArray.of(weightType, c.weight);
          NativeArray y = NativeArray.empty(type, ROWS * width);
          NativeArray mean = NativeArray.empty(ElementType.FLOAT32, ROWS);
          NativeArray rstd = NativeArray.empty(ElementType.FLOAT32, ROWS);
          NativeArray gx = NativeArray.empty(type, ROWS * width);
          NativeArray gxAdded = NativeArray.of(type, c.residual);
          NativeArray gweight = NativeArray.empty(weightType, width);
          NativeArray gbias = NativeArray.empty(weightType, width)) {
        LayerNormKernel.forward(
            type,
            weightType,
            x.address(),
            weight.address(),
            0,
            y.address(),
            mean.address(),
            rstd.address(),
            ROWS,
            width,
            EPS,
            1);
        LayerNormKernel.backward(
            type,
            weightType,
            gy.address(),
            x.address(),
            weight.address(),
            mean.address(),
            rstd.address(),
            0,
            gx.address(),
            gweight.address(),
            gbias.address(),
            ROWS,
            width,
            2);
        LayerNormKernel.backward(
            type,
            weightType,
            gy.address(),
            x.address(),
            weight.address(),
            mean.address(),
            rstd.address(),
            gxAdded.address(),
            gxAdded.address(),
            0,
            0,
            ROWS,
            width,
            1);
        c.checkBackward(gx, gxAdded, gweight, gbias);
      }
    }
  }

  /** Statistics of values far from zero: E[x^2] - E[x]^2 in float would lose the variance. */
  @ParameterizedTest
  @MethodSource("isas")
  void varianceDoesNotCancel(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    float[] values = {10000f, 10001f, 9999f, 10000f};
    try (NativeArray x = NativeArray.of(ElementType.FLOAT32, values);
        NativeArray y = NativeArray.empty(ElementType.FLOAT32, 4)) {
      LayerNormKernel.forward(
          ElementType.FLOAT32,
          ElementType.FLOAT32,
          x.address(),
          0,
          0,
          y.address(),
          0,
          0,
          1,
          4,
          0,
          1);
      float root2 = (float) Math.sqrt(2);
      assertArrayEquals(new float[] {0f, root2, -root2, 0f}, y.toArray(), 1e-6f);
    }
  }

  @ParameterizedTest
  @MethodSource("isas")
  void nanStaysInItsRow(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    float[] values = NativeArray.gaussian(3 * 19, 1.0, 2);
    values[20] = Float.NaN;
    try (NativeArray x = NativeArray.of(ElementType.FLOAT32, values)) {
      LayerNormKernel.forward(
          ElementType.FLOAT32,
          ElementType.FLOAT32,
          x.address(),
          0,
          0,
          x.address(),
          0,
          0,
          3,
          19,
          EPS,
          1);
      for (int i = 0; i < 3 * 19; i++) {
        assertEquals(i / 19 == 1, Float.isNaN(x.get(i)), "element " + i);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("isas")
  void doesNotDependOnThreads(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    int rows = 300;
    int width = 301;
    ElementType type = ElementType.FLOAT32;
    int[][] bits = new int[2][];
    for (int run = 0; run < 2; run++) {
      try (NativeArray x = NativeArray.of(type, NativeArray.gaussian(rows * width, 1, 1));
          NativeArray y = NativeArray.empty(type, rows * width);
          NativeArray mean = NativeArray.empty(type, rows);
          NativeArray rstd = NativeArray.empty(type, rows);
          NativeArray gweight = NativeArray.empty(type, width)) {
        int threads = run == 0 ? 1 : 3;
        LayerNormKernel.forward(
            type,
            type,
            x.address(),
            0,
            0,
            y.address(),
            mean.address(),
            rstd.address(),
            rows,
            width,
            EPS,
            threads);
        LayerNormKernel.backward(
            type,
            type,
            y.address(),
            x.address(),
            0,
            mean.address(),
            rstd.address(),
            0,
            y.address(),
            gweight.address(),
            0,
            rows,
            width,
            threads);
        bits[run] =
            java.util.stream.IntStream.concat(
                    java.util.Arrays.stream(y.toBits()), java.util.Arrays.stream(gweight.toBits()))
                .toArray();
        assertTrue(Float.isFinite(y.get(0)));
      }
    }
    assertArrayEquals(bits[0], bits[1]);
  }

  /** One problem and its answer in doubles. */
  private static final class Case {
    final ElementType type;
    final ElementType weightType;
    final int width;
    final float[] x;
    final float[] residual;
    final float[] gy;
    final float[] weight;
    final float[] bias;

    Case(ElementType type, ElementType weightType, int width) {
      this.type = type;
      this.weightType = weightType;
      this.width = width;
      x = rounded(type, NativeArray.gaussian(ROWS * width, 2.0, width));
      residual = rounded(type, NativeArray.gaussian(ROWS * width, 1.0, width + 1));
      gy = rounded(type, NativeArray.gaussian(ROWS * width, 1.0, width + 2));
      weight = rounded(weightType, NativeArray.gaussian(width, 1.0, width + 3));
      bias = rounded(weightType, NativeArray.gaussian(width, 1.0, width + 4));
    }

    double[] statistics(float[] h, int row) {
      double mean = 0;
      double variance = 0;
      for (int i = 0; i < width; i++) {
        mean += h[row * width + i] / (double) width;
      }
      for (int i = 0; i < width; i++) {
        variance += Math.pow(h[row * width + i] - mean, 2) / width;
      }
      return new double[] {mean, 1 / Math.sqrt(variance + EPS)};
    }

    void checkForward(
        float[] h, NativeArray y, NativeArray mean, NativeArray rstd, boolean affine) {
      for (int row = 0; row < ROWS; row++) {
        double[] s = statistics(h, row);
        assertEquals(s[0], mean.get(row), 2e-6, "mean");
        // One element has variance 0: its rstd magnifies the mean's last bit.
        assertEquals(s[1], rstd.get(row), 2e-6 * s[1], "rstd");
        for (int i = 0; i < width; i++) {
          double n = (h[row * width + i] - s[0]) * s[1];
          double expected = affine ? n * weight[i] + bias[i] : n;
          double tolerance =
              2e-6 * (1 + Math.abs(n)) * (affine ? 1 + Math.abs(weight[i]) : 1)
                  + Bf16.epsilon(type) * Math.abs(expected);
          assertEquals(expected, y.get(row * width + i), tolerance, width + ": " + row + "," + i);
        }
      }
    }

    void checkBackward(
        NativeArray gx, NativeArray gxAdded, NativeArray gweight, NativeArray gbias) {
      double[] gw = new double[width];
      double[] gb = new double[width];
      for (int row = 0; row < ROWS; row++) {
        double[] s = statistics(x, row);
        double meanG = 0;
        double meanGn = 0;
        for (int i = 0; i < width; i++) {
          double n = (x[row * width + i] - s[0]) * s[1];
          double g = (double) gy[row * width + i] * weight[i];
          meanG += g / width;
          meanGn += g * n / width;
          gw[i] += gy[row * width + i] * n;
          gb[i] += gy[row * width + i];
        }
        for (int i = 0; i < width; i++) {
          double n = (x[row * width + i] - s[0]) * s[1];
          double g = (double) gy[row * width + i] * weight[i];
          double expected = s[1] * (g - meanG - n * meanGn);
          double size = s[1] * (Math.abs(g) + Math.abs(meanG) + Math.abs(n * meanGn));
          double tolerance = 2e-5 * size + Bf16.epsilon(type) * Math.abs(expected);
          String at = width + ": " + row + "," + i;
          assertEquals(expected, gx.get(row * width + i), tolerance, at);
          double added = expected + residual[row * width + i];
          assertEquals(
              added,
              gxAdded.get(row * width + i),
              2e-5 * size + 1e-6 + Bf16.epsilon(type) * Math.abs(added),
              at);
        }
      }
      for (int i = 0; i < width; i++) {
        double allowed = 2e-5 * ROWS + Bf16.epsilon(weightType);
        assertEquals(gw[i], gweight.get(i), allowed * (1 + Math.abs(gw[i])), "gweight " + i);
        assertEquals(gb[i], gbias.get(i), allowed * (1 + Math.abs(gb[i])), "gbias " + i);
      }
    }
  }
}
