package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.peftjava.torch.kernels.LayerNormCase.EPS;
import static org.peftjava.torch.kernels.LayerNormCase.ROWS;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class LayerNormKernelTest extends KernelTestBase {
  @ParameterizedTest
  @MethodSource("isasAndTypePairs")
  void forwardEqualsTheDefinition(KernelIsa isa, ElementType type, ElementType weightType) {
    NativeKernels.useIsa(isa);
    for (int width : SIZES) {
      LayerNormCase c = new LayerNormCase(type, weightType, width);
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
      LayerNormCase c = new LayerNormCase(type, weightType, width);
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
}
