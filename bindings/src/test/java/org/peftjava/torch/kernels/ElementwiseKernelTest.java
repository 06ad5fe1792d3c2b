package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ElementwiseKernelTest extends KernelTestBase {

  @ParameterizedTest
  @MethodSource("isasAndTypePairs")
  void biasAndRelu(KernelIsa isa, ElementType type, ElementType biasType) {
    NativeKernels.useIsa(isa);
    for (int width : SIZES) {
      int rows = 3;
      int stride = width + 2;
      float[] values = rounded(type, NativeArray.gaussian(rows * stride, 1.0, width));
      values[0] = Float.NaN;
      float[] biases = rounded(biasType, NativeArray.gaussian(width, 1.0, width + 1));
      try (NativeArray y = NativeArray.of(type, values);
          NativeArray plain = NativeArray.of(type, values);
          NativeArray bias = NativeArray.of(biasType, biases)) {
        ElementwiseKernel.biasRelu(
            type, y.address(), stride, biasType, bias.address(), rows, width, 2);
        ElementwiseKernel.biasRelu(type, plain.address(), stride, biasType, 0, rows, width, 2);
        assertTrue(Float.isNaN(y.get(0)), "NaN stays");
        for (int i = 1; i < rows * stride; i++) {
          int column = i % stride;
          boolean padding = column >= width;
          float sum = padding ? 0 : values[i] + biases[column];
          float expected = padding ? values[i] : Bf16.round(type, Math.max(0f, sum));
          assertEquals(expected, y.get(i), "element " + i + " of width " + width);
          assertEquals(padding ? values[i] : Math.max(0f, values[i]), plain.get(i) + 0f);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void reluGradientPassesWhereTheResultIsPositive(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    for (int count : SIZES) {
      float[] gs = rounded(type, NativeArray.gaussian(count, 1.0, count));
      float[] ys = rounded(type, NativeArray.gaussian(count, 1.0, count + 1));
      ys[0] = 0f;
      gs[0] = Float.NaN;
      ys[count - 1] = count > 1 ? Float.NaN : 0f;
      try (NativeArray g = NativeArray.of(type, gs);
          NativeArray y = NativeArray.of(type, ys)) {
        ElementwiseKernel.reluGradient(type, g.address(), y.address(), g.address(), count, 2);
        for (int i = 0; i < count; i++) {
          assertEquals(ys[i] <= 0 ? 0f : gs[i], g.get(i), "element " + i + " of " + count);
        }
      }
    }
  }

  /**
   * Every float in steps through all binades, ties and NaN payloads included, rounds as specified.
   */
  @ParameterizedTest
  @MethodSource("isas")
  void roundsToBfloat16ToNearestEven(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    float[] values = new float[1 << 17];
    for (int i = 0; i < values.length; i++) {
      // All upper halves, with lower halves just below, at and just above the middle, and 0.
      int low = new int[] {0x7fff, 0x8000, 0x8001, 0}[i & 3];
      values[i] = Float.intBitsToFloat(((i >> 1) << 16) | low);
    }
    try (NativeArray x = NativeArray.of(ElementType.FLOAT32, values);
        NativeArray y = NativeArray.empty(ElementType.BFLOAT16, values.length)) {
      DropoutKernel.forward(
          ElementType.FLOAT32,
          x.address(),
          ElementType.BFLOAT16,
          y.address(),
          values.length,
          0,
          0,
          0,
          1);
      int[] expected = new int[values.length];
      for (int i = 0; i < values.length; i++) {
        // Multiplying by 1 quiets a NaN and keeps everything else.
        expected[i] = Float.floatToRawIntBits(Bf16.round(values[i]));
      }
      assertArrayEquals(expected, y.toBits());
    }
  }

  @ParameterizedTest
  @MethodSource("isas")
  void doesNotDependOnThreads(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    int count = 100_001;
    int[][] bits = new int[2][];
    for (int run = 0; run < 2; run++) {
      try (NativeArray x =
              NativeArray.of(ElementType.FLOAT32, NativeArray.gaussian(count, 1.0, 1));
          NativeArray y =
              NativeArray.of(ElementType.BFLOAT16, NativeArray.gaussian(count, 1.0, 2))) {
        int threads = run == 0 ? 1 : 3;
        ElementwiseKernel.biasRelu(
            ElementType.BFLOAT16,
            y.address(),
            101,
            ElementType.FLOAT32,
            x.address(),
            990,
            101,
            threads);
        bits[run] = y.toBits();
      }
    }
    assertArrayEquals(bits[0], bits[1]);
  }
}
