package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.quant.GoldenTensors;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;

/** Codes and dense values to the bit, products within the rounding of their sums. */
abstract class CudaFourBitContract extends CudaContract {
  private static final GoldenTensors GOLDEN = GoldenTensors.open("q4");

  CudaFourBitContract(KernelPlace place) {
    super(place);
  }

  static Stream<String> cases() {
    return BlockwiseQuantizerTest.cases(GOLDEN, ".packed");
  }

  /** The transcription of bitsandbytes' kernel, where it differs from its CPU build. */
  @ParameterizedTest
  @MethodSource("cases")
  void writesTheBytesOfBitsandbytes(String name) {
    String[] parts = name.split("\\.", -1); // case, dtype, type, block size
    QuantType type = QuantType.parse(parts[2]);
    BlockwiseQuantizer.Blocks blocks =
        new BlockwiseQuantizer(type.codeBook(), Integer.parseInt(parts[3].substring(2)))
            .quantize(on(GOLDEN.get(parts[0] + "." + parts[1] + ".in")));
    String cuda = name + ".packed.cuda_emul";
    // Of an all-zero NF4 block we write the CPU's codes, which read as +0.
    boolean asCuda =
        GOLDEN.names().contains(cuda) && !(parts[0].equals("zeros") && type == QuantType.NF4);
    byte[] expected = GOLDEN.get(asCuda ? cuda : name + ".packed").toBytes();
    byte[] actual = blocks.codes().toBytes();
    if (type == QuantType.FP4 && !asCuda) {
      expected = BlockwiseQuantizerTest.withoutNegativeZero(expected);
      actual = BlockwiseQuantizerTest.withoutNegativeZero(actual);
    }
    assertArrayEquals(expected, actual);
    assertArrayEquals(GOLDEN.get(name + ".absmax").toBytes(), blocks.absmax().toBytes());
    assertTrue(launches("fourBitQuantize") >= 1);
  }

  @ParameterizedTest
  @EnumSource(QuantType.class)
  void codesAreThoseOfTheOperators(QuantType type) {
    Random random = new Random(3);
    for (DType dtype : new DType[] {DType.FLOAT32, DType.BFLOAT16, DType.FLOAT16, DType.FLOAT64}) {
      for (int blockSize : BlockwiseQuantizer.BLOCK_SIZES) {
        Tensor x = Creation.randn(dtype, 1 + random.nextInt(20), 1 + random.nextInt(700));
        BlockwiseQuantizer.Blocks cuda =
            new BlockwiseQuantizer(type.codeBook(), blockSize).quantize(on(x));
        BlockwiseQuantizer.Blocks portable =
            new BlockwiseQuantizer(type.codeBook(), blockSize, true).quantize(x);
        String what = type + " " + dtype + " " + x.shape() + " in blocks of " + blockSize;
        assertArrayEquals(portable.codes().toBytes(), cuda.codes().toBytes(), what);
        assertArrayEquals(portable.absmax().toBytes(), cuda.absmax().toBytes(), what);
      }
    }
  }

  /** Every block size and type, nested scales or not, sizes that end within a word or a byte. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void denseValuesAreThoseOfTheOperators(boolean nested) {
    Random random = new Random(5);
    for (QuantType type : QuantType.values()) {
      for (int blockSize : BlockwiseQuantizer.BLOCK_SIZES) {
        Tensor x = Creation.randn(DType.FLOAT32, 1 + random.nextInt(24), 1 + random.nextInt(900));
        try (FourBitWeight weight = FourBitWeight.quantize(on(x), type, blockSize, nested)) {
          // No kernel has float64, so the operators make this; float32 is what they round to.
          Tensor portable = weight.dequantize(DType.FLOAT64).to(Device.CPU).to(DType.FLOAT32);
          int before = launches("fourBitDequantize");
          for (DType dtype : TYPES) {
            assertArrayEquals(
                portable.to(dtype).toBytes(),
                weight.dequantize(dtype).toBytes(),
                type + " " + dtype + " " + x.shape() + " in blocks of " + blockSize);
          }
          assertEquals(before + TYPES.length, launches("fourBitDequantize"));
        }
      }
    }
  }

  /** Memory off every boundary is served element by element, and nothing beside it is written. */
  @Test
  void anyAddressWillDo() {
    long n = 1000;
    for (DType type : TYPES) {
      Tensor source = guarded(type, n);
      source.copyInPlace(Creation.randn(type, n));
      Tensor allCodes = on(Creation.full(DType.UINT8, 77, n / 2 + 64));
      Tensor absmax = Creation.empty(DType.FLOAT32, source.device(), (n + 63) / 64);
      Tensor codes = allCodes.narrow(0, 33, n / 2);
      assertTrue(CudaBlockwise.quantize(CodeBook.NF4, 64, source, codes, absmax));
      BlockwiseQuantizer.Blocks expected =
          new BlockwiseQuantizer(CodeBook.NF4, 64, true).quantize(source.to(Device.CPU));
      assertArrayEquals(expected.codes().toBytes(), codes.toBytes());
      assertArrayEquals(expected.absmax().toBytes(), absmax.toBytes());
      byte[] sevens = Creation.full(DType.UINT8, 77, 64).toBytes();
      assertArrayEquals(sevens, guards(allCodes, n / 2));

      try (FourBitWeight weight =
          FourBitWeight.quantize(source.reshape(10, 100), QuantType.NF4, 64, false)) {
        Tensor all = on(Creation.full(type, 77, n + 64));
        Tensor out = all.narrow(0, 33, n).reshape(10, 100);
        assertTrue(
            FourBitBackEnd.of(weight.quantState(), weight.state())
                .orElseThrow()
                .dequantizeInto(out));
        assertArrayEquals(weight.dequantize(type).toBytes(), out.toBytes());
        assertArrayEquals(Creation.full(type, 77, 64).toBytes(), guards(all, n));
      }
    }
  }

  @Test
  void whatHasNoCodeIsRefused() {
    for (float bad : new float[] {Float.NaN, Float.NEGATIVE_INFINITY}) {
      Tensor x = Creation.randn(DType.FLOAT32, 3, 100);
      x.narrow(0, 1, 1).narrow(1, 70, 1).copyInPlace(Creation.full(DType.FLOAT32, bad, 1, 1));
      assertThrows(
          IllegalArgumentException.class,
          () -> new BlockwiseQuantizer(CodeBook.FP4, 128).quantize(on(x)));
    }
  }

  /**
   * One to eight rows, rows of whole quads of words or not, with and without a bias; tensor cores
   * serve where they can.
   */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void productsAreThoseOfTheDenseMatrix(boolean nested) {
    long[][] shapes = {{7, 1024}, {33, 96}, {10, 40}, {5, 2056}};
    for (DType type : TYPES) {
      for (long[] shape : shapes) {
        Tensor dense = on(Creation.randn(type, shape));
        int blockSize = shape[1] == 1024 ? 2048 : 64;
        try (FourBitWeight weight =
            FourBitWeight.quantize(dense, QuantType.NF4, blockSize, nested)) {
          Tensor values = weight.dequantize(DType.FLOAT32).to(Device.CPU).to(DType.FLOAT64);
          for (long rows : new long[] {1, 2, 3, 4, 5, 8}) {
            Tensor x = Creation.randn(type, 1, rows, shape[1]);
            Tensor bias = rows % 2 == 0 ? Creation.randn(type, shape[0]) : null;
            String kernel =
                type != DType.FLOAT32 && shape[1] % 64 == 0 ? "fourBitTiles" : "fourBitProduct";
            int before = launches(kernel);
            Tensor actual = weight.product(on(x), bias == null ? null : on(bias), false);
            assertEquals(before + 1, launches(kernel));
            Tensor expected =
                MatrixOps.linear(
                    x.to(DType.FLOAT64), values, bias == null ? null : bias.to(DType.FLOAT64));
            assertEquals(expected.shape(), actual.shape());
            double error =
                expected.sub(actual.to(Device.CPU).to(DType.FLOAT64)).abs().max().toDouble();
            double size = expected.abs().max().toDouble();
            double tolerance =
                switch (type) {
                  case BFLOAT16 -> 0x1p-8 * size;
                  case FLOAT16 -> 0x1p-11 * size;
                  default -> 1e-6 * size;
                };
            assertTrue(error <= tolerance * 1.01, () -> type + ": " + error + " of " + size);
          }
        }
      }
    }
  }

  /**
   * Many rows, columns that share words with other rows, x between other numbers: a dense matrix.
   */
  @Test
  void whatTheProductKernelsDoNotServeGoesTheDenseWay() {
    try (FourBitWeight odd =
            FourBitWeight.quantize(
                on(Creation.randn(DType.FLOAT32, 9, 77)), QuantType.NF4, 64, true);
        FourBitWeight even =
            FourBitWeight.quantize(
                on(Creation.randn(DType.FLOAT32, 9, 64)), QuantType.FP4, 64, true)) {
      assertDenseWay(odd, Creation.randn(DType.FLOAT32, 2, 77));
      assertDenseWay(even, Creation.randn(DType.FLOAT32, 9, 64));
      assertDenseWay(even, on(Creation.randn(DType.FLOAT32, 3, 100)).narrow(1, 7, 64));
      assertDenseWay(even, Creation.randn(DType.FLOAT32, 0, 64));
      assertEquals(0, launches("fourBitProduct"));
      Tensor g = on(Creation.randn(DType.FLOAT32, 3, 9));
      Tensor expected = MatrixOps.inputGradient(g, even.dequantize(DType.FLOAT32));
      assertTrue(expected.sub(even.inputGradient(g)).abs().max().toDouble() < 1e-5);
    }
  }

  private void assertDenseWay(FourBitWeight weight, Tensor host) {
    Tensor x = on(host);
    Tensor expected = MatrixOps.linear(x, weight.dequantize(DType.FLOAT32), null);
    Tensor actual = weight.product(x, null, false);
    assertEquals(expected.shape(), actual.shape());
    assertTrue(x.numel() == 0 || expected.sub(actual).abs().max().toDouble() < 1e-5);
  }
}
