package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.quant.GoldenTensors;
import org.peftjava.torch.CardTensors;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;

/** 8-bit codes to the bit, and the optimizer's steps against those of the operators. */
abstract class CudaEightBitContract extends CudaContract {
  private static final GoldenTensors GOLDEN = GoldenTensors.open("dynamic8");

  CudaEightBitContract(KernelPlace place) {
    super(place);
  }

  static Stream<String> cases() {
    return BlockwiseQuantizerTest.cases(GOLDEN, ".q");
  }

  @ParameterizedTest
  @MethodSource("cases")
  void codesAreThoseOfBitsandbytes(String name) {
    String[] parts = name.split("\\.", -1);
    BlockwiseQuantizer codec =
        new BlockwiseQuantizer(CodeBook.DYNAMIC, Integer.parseInt(parts[1].substring(2)));
    BlockwiseQuantizer.Blocks blocks = codec.quantize(on(GOLDEN.get(parts[0] + ".in")));
    assertArrayEquals(GOLDEN.get(name + ".q.cuda_emul").toBytes(), blocks.codes().toBytes());
    assertArrayEquals(GOLDEN.get(name + ".absmax").toBytes(), blocks.absmax().toBytes());

    Tensor expected = GOLDEN.get(name + ".dequant");
    Tensor actual =
        codec.dequantize(
            on(GOLDEN.get(name + ".q")),
            on(GOLDEN.get(name + ".absmax")),
            on(CodeBook.DYNAMIC.values()),
            expected.numel(),
            DType.FLOAT32);
    assertArrayEquals(expected.toFloats(), actual.reshape(expected.shape().toArray()).toFloats());
    assertTrue(launches("eightBitQuantize") >= 1);
    assertTrue(launches("eightBitDequantize") == 1);
  }

  /** Both maps, every block size and type, an all-zero block among them. */
  @Test
  void codesAreThoseOfTheOperators() {
    Random random = new Random(4);
    for (CodeBook book : List.of(CodeBook.DYNAMIC, CodeBook.DYNAMIC_UNSIGNED)) {
      for (int blockSize : BlockwiseQuantizer.BLOCK_SIZES) {
        for (DType type : TYPES) {
          long n = 4097L + random.nextInt(3000);
          Tensor x = Creation.randn(type, n);
          x = book == CodeBook.DYNAMIC ? x : x.abs();
          x.narrow(0, 0, blockSize).copyInPlace(Creation.zeros(type, x.device(), blockSize));
          BlockwiseQuantizer cuda = new BlockwiseQuantizer(book, blockSize);
          BlockwiseQuantizer portable = new BlockwiseQuantizer(book, blockSize, true);
          BlockwiseQuantizer.Blocks expected = portable.quantize(x);
          BlockwiseQuantizer.Blocks actual = cuda.quantize(on(x));
          String what = type + " (" + n + ") in blocks of " + blockSize;
          assertArrayEquals(expected.codes().toBytes(), actual.codes().toBytes(), what);
          assertArrayEquals(expected.absmax().toBytes(), actual.absmax().toBytes(), what);
          assertArrayEquals(
              portable
                  .dequantize(expected.codes(), expected.absmax(), book.values(), n, type)
                  .toBytes(),
              cuda.dequantize(actual.codes(), actual.absmax(), on(book.values()), n, type)
                  .toBytes(),
              what);
        }
      }
    }
  }

  /** Memory off every boundary: the bytes beside it stay. */
  @Test
  void anyAddressWillDo() {
    long n = 1001;
    Tensor x = guarded(DType.BFLOAT16, n);
    x.copyInPlace(Creation.randn(DType.BFLOAT16, n));
    Tensor all = on(Creation.full(DType.UINT8, 77, n + 64));
    Tensor absmax = Creation.empty(DType.FLOAT32, x.device(), 4);
    assertTrue(CudaBlockwise.quantize(CodeBook.DYNAMIC, 256, x, all.narrow(0, 33, n), absmax));
    assertArrayEquals(
        new BlockwiseQuantizer(CodeBook.DYNAMIC, 256, true)
            .quantize(x.to(Device.CPU))
            .codes()
            .toBytes(),
        all.narrow(0, 33, n).toBytes());
    assertArrayEquals(Creation.full(DType.UINT8, 77, 64).toBytes(), guards(all, n));
  }

  /**
   * Five steps with a gradient that is not finite in one place, in codes and in float32. Where a
   * moment is half-way between two codes an order of operations may tip it: one code in a thousand
   * may be a neighbour's.
   */
  @ParameterizedTest
  @ValueSource(longs = {4999, 700})
  void stepsAreThoseOfTheOperators(long n) {
    AdamW.Options options = new AdamW.Options(3e-3, 0.8, 0.97, 1e-8, 0.05);
    for (DType type : TYPES) {
      Tensor start = Creation.randn(type, n);
      try (Parameter ours = parameter(on(start));
          Parameter theirs = parameter(start);
          AdamW8bit cuda = new AdamW8bit(Map.of("w", ours), options, Set.of());
          AdamW8bit portable = new AdamW8bit(Map.of("w", theirs), options, Set.of())) {
        for (int step = 0; step < 5; step++) {
          Tensor gradient = Creation.randn(type, n);
          if (step == 2) {
            gradient.narrow(0, 300, 1).copyInPlace(Creation.full(type, Float.NaN, 1));
          }
          ours.tensor().setGrad(on(gradient).copy());
          theirs.tensor().setGrad(gradient);
          cuda.step();
          withoutKernels(
              () -> {
                portable.step();
                return true;
              });
        }
        assertEquals(5, launches("adamw8bit" + CardTensors.suffix(type).orElseThrow()));
        assertClose(theirs.tensor().detach(), ours.tensor().detach(), type);
        Map<String, Tensor> expected = portable.stateDict();
        cuda.stateDict()
            .forEach(
                (name, tensor) -> {
                  if (tensor.dtype() == DType.UINT8) {
                    assertCodes(expected.get(name).toBytes(), tensor.toBytes());
                  } else if (tensor.dtype() == DType.FLOAT32) {
                    assertClose(expected.get(name), tensor, DType.FLOAT32);
                  }
                });
        ours.zeroGrad();
        theirs.zeroGrad();
      }
    }
  }

  @Test
  void noStepIsMuchLongerThanTheLearningRate() {
    StepLengths.check(false, this::on);
  }

  private static void assertCodes(byte[] expected, byte[] actual) {
    int different = 0;
    for (int i = 0; i < expected.length; i++) {
      int distance = Math.abs((expected[i] & 255) - (actual[i] & 255));
      assertTrue(distance <= 1, "code " + i);
      different += distance;
    }
    int most = expected.length / 1000;
    assertTrue(different <= most, different + " of " + expected.length);
  }

  private static void assertClose(Tensor expected, Tensor actual, DType type) {
    double scale = expected.to(DType.FLOAT32).abs().max().toDouble();
    double tolerance =
        switch (type) {
          case BFLOAT16 -> 0x1p-8;
          case FLOAT16 -> 0x1p-11;
          default -> 1e-5; // one code may be a neighbour's
        };
    double error =
        expected
            .to(DType.FLOAT32)
            .sub(actual.to(Device.CPU).to(DType.FLOAT32))
            .abs()
            .max()
            .toDouble();
    assertTrue(error <= tolerance * scale, () -> type + ": " + error + " of " + scale);
  }

  private static Parameter parameter(Tensor values) {
    Parameter result = new Parameter(values.shape(), values.dtype(), Init.zeros());
    result.adopt(values.copy());
    return result;
  }
}
