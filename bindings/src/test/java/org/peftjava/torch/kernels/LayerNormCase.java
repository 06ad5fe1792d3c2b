package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

/** One problem and its answer in doubles. */
final class LayerNormCase {
  static final double EPS = 1e-5;
  static final int ROWS = 5;

  final ElementType type;
  final ElementType weightType;
  final int width;
  final float[] x;
  final float[] residual;
  final float[] gy;
  final float[] weight;
  final float[] bias;

  LayerNormCase(ElementType type, ElementType weightType, int width) {
    this.type = type;
    this.weightType = weightType;
    this.width = width;
    x = KernelTestBase.rounded(type, NativeArray.gaussian(ROWS * width, 2.0, width));
    residual = KernelTestBase.rounded(type, NativeArray.gaussian(ROWS * width, 1.0, width + 1));
    gy = KernelTestBase.rounded(type, NativeArray.gaussian(ROWS * width, 1.0, width + 2));
    weight = KernelTestBase.rounded(weightType, NativeArray.gaussian(width, 1.0, width + 3));
    bias = KernelTestBase.rounded(weightType, NativeArray.gaussian(width, 1.0, width + 4));
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

  void checkForward(float[] h, NativeArray y, NativeArray mean, NativeArray rstd, boolean affine) {
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

  void checkBackward(NativeArray gx, NativeArray gxAdded, NativeArray gweight, NativeArray gbias) {
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
