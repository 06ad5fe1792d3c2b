package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.quant.ScopedTest;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;

/**
 * What weights compute, with native kernels where there are some, is what the operators compute.
 */
class NativeQuantTest extends ScopedTest {

  @ParameterizedTest
  @EnumSource(QuantType.class)
  void codesAreThoseOfTheOperators(QuantType type) {
    Random random = new Random(2);
    for (DType dtype : new DType[] {DType.FLOAT32, DType.BFLOAT16, DType.FLOAT16, DType.FLOAT64}) {
      for (int blockSize : BlockwiseQuantizer.BLOCK_SIZES) {
        Tensor x = Creation.randn(dtype, 1 + random.nextInt(40), 1 + random.nextInt(300));
        BlockwiseQuantizer.Blocks fast =
            new BlockwiseQuantizer(type.codeBook(), blockSize).quantize(x);
        BlockwiseQuantizer.Blocks portable =
            new BlockwiseQuantizer(type.codeBook(), blockSize, true).quantize(x);
        assertArrayEquals(portable.codes().toBytes(), fast.codes().toBytes());
        assertArrayEquals(portable.absmax().toBytes(), fast.absmax().toBytes());
      }
    }
  }

  /** Every way that a product may take: few and many rows, blocks within and across rows. */
  @ParameterizedTest
  @ValueSource(strings = {"FLOAT32", "BFLOAT16", "FLOAT16"})
  void productsAreThoseOfTheDenseMatrix(String name) {
    DType type = DType.valueOf(name);
    long[][] shapes = {{70, 256}, {33, 96}, {40, 77}, {300, 640}};
    for (long[] shape : shapes) {
      for (int blockSize : new int[] {32, 64, 512}) {
        Tensor dense = Creation.randn(type, shape);
        boolean nested = blockSize == 64;
        try (FourBitWeight weight =
            FourBitWeight.quantize(dense, QuantType.NF4, blockSize, nested)) {
          Tensor values = weight.dequantize(type);
          for (long rows : new long[] {1, 2, 3, 5, 8, 9, 65}) {
            Tensor x = Creation.randn(type, 1, rows, shape[1]);
            Tensor bias = Creation.randn(type, shape[0]);
            assertNear(
                MatrixOps.linear(wide(x), wide(values), wide(bias)),
                weight.product(x, bias, true),
                shape[1]);
            Tensor g = Creation.randn(type, rows, 1, shape[0]);
            assertNear(
                MatrixOps.inputGradient(wide(g), wide(values)), weight.inputGradient(g), shape[0]);
          }
        }
      }
    }
  }

  /** A view with gaps, and no rows at all. */
  @Test
  void unusualInputsAreServed() {
    try (FourBitWeight weight =
        FourBitWeight.quantize(Creation.randn(DType.FLOAT32, 20, 64), QuantType.FP4, 64, false)) {
      Tensor wideX = Creation.randn(DType.FLOAT32, 3, 100);
      Tensor x = wideX.narrow(1, 7, 64);
      assertNear(
          MatrixOps.linear(x, weight.dequantize(DType.FLOAT32), null),
          weight.product(x, null, false),
          64);
      Tensor none = Creation.randn(DType.FLOAT32, 0, 64);
      assertEquals(0, weight.product(none, null, false).numel());
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, 2.5})
  void int8ProductsAreThoseOfTheOperators(double threshold) {
    for (DType type : new DType[] {DType.FLOAT32, DType.BFLOAT16}) {
      for (long rows : new long[] {1, 4, 30, 70}) {
        RowwiseInt8.Rows weight = RowwiseInt8.quantizeWeight(Creation.randn(type, 75, 192), type);
        Tensor x = Creation.randn(type, rows, 192);
        Tensor bias = Creation.randn(type, 75);
        Tensor expected =
            RowwiseInt8.portableProduct(x, weight.codes(), weight.absmax(), bias, threshold);
        Tensor actual = RowwiseInt8.product(x, weight.codes(), weight.absmax(), bias, threshold);
        assertNear(expected, actual, 1);
      }
    }
  }

  /** Within the rounding of one number, and of float32 sums of so many terms. */
  private static void assertNear(Tensor expected, Tensor actual, long terms) {
    double epsilon =
        switch (actual.dtype()) {
          case BFLOAT16 -> 0x1p-7;
          case FLOAT16 -> 0x1p-10;
          default -> 4e-6;
        };
    assertEquals(expected.numel(), actual.numel());
    float[] e = expected.to(DType.FLOAT32).toFloats();
    float[] a = actual.to(DType.FLOAT32).toFloats();
    for (int i = 0; i < e.length; i++) {
      double tolerance = epsilon * (Math.abs(e[i]) * 1.01 + 1.5 * Math.sqrt(terms));
      int at = i;
      assertTrue(
          Math.abs(e[i] - a[i]) <= tolerance,
          () -> "at " + at + ": expected " + e[at] + ", got " + a[at]);
    }
  }

  private static Tensor wide(Tensor x) {
    return x.to(DType.FLOAT64);
  }
}
