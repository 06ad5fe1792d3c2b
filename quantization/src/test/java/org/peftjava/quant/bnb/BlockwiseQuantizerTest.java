package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.quant.GoldenTensors;
import org.peftjava.quant.ScopedTest;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;

class BlockwiseQuantizerTest extends ScopedTest {
  private static final GoldenTensors FOUR_BIT = GoldenTensors.open("q4");
  private static final GoldenTensors DYNAMIC = GoldenTensors.open("dynamic8");

  static Stream<String> fourBitCases() {
    return cases(FOUR_BIT, ".packed");
  }

  static Stream<String> dynamicCases() {
    return cases(DYNAMIC, ".q");
  }

  static Stream<String> cases(GoldenTensors golden, String suffix) {
    List<String> found =
        golden.names().stream()
            .filter(name -> name.endsWith(suffix))
            .map(name -> name.substring(0, name.length() - suffix.length()))
            .toList();
    assertTrue(found.size() >= 8, () -> "only " + found);
    return found.stream();
  }

  /** Codes are the CUDA kernel's; of an all-zero NF4 block the CPU's, which read as +0. */
  @ParameterizedTest
  @MethodSource("fourBitCases")
  void writesTheBytesOfBitsandbytes(String name) {
    String[] parts = name.split("\\.", -1); // case, dtype, type, block size
    BlockwiseQuantizer.Blocks blocks =
        fourBit(parts).quantize(FOUR_BIT.get(parts[0] + "." + parts[1] + ".in"));
    String cuda = name + ".packed.cuda_emul";
    boolean asCuda =
        FOUR_BIT.names().contains(cuda) && !(parts[0].equals("zeros") && parts[2].equals("nf4"));
    byte[] expected = FOUR_BIT.get(asCuda ? cuda : name + ".packed").toBytes();
    byte[] actual = blocks.codes().toBytes();
    if (parts[2].equals("fp4") && !asCuda) {
      expected = withoutNegativeZero(expected);
      actual = withoutNegativeZero(actual);
    }
    assertArrayEquals(expected, actual);
    assertArrayEquals(FOUR_BIT.get(name + ".absmax").toBytes(), blocks.absmax().toBytes());
  }

  @ParameterizedTest
  @MethodSource("fourBitCases")
  void readsTheBytesOfBitsandbytes(String name) {
    String[] parts = name.split("\\.", -1);
    Tensor expected = FOUR_BIT.get(name + ".dequant");
    Tensor actual =
        fourBit(parts)
            .dequantize(
                FOUR_BIT.get(name + ".packed"),
                FOUR_BIT.get(name + ".absmax"),
                QuantType.parse(parts[2]).codeBook().values().to(expected.device()),
                expected.numel(),
                expected.dtype());
    // the CPU kernel reads FP4's code 8 as -0, the table in the checkpoint says 0
    assertArrayEquals(expected.add(0).toBytes(), actual.add(0).toBytes());
  }

  @ParameterizedTest
  @MethodSource("dynamicCases")
  void scalesAreCodedAsInCuda(String name) {
    String[] parts = name.split("\\.", -1);
    BlockwiseQuantizer codec = new BlockwiseQuantizer(CodeBook.DYNAMIC, blockSize(parts[1]));
    BlockwiseQuantizer.Blocks blocks = codec.quantize(DYNAMIC.get(parts[0] + ".in"));
    assertArrayEquals(DYNAMIC.get(name + ".q.cuda_emul").toBytes(), blocks.codes().toBytes());
    assertArrayEquals(DYNAMIC.get(name + ".absmax").toBytes(), blocks.absmax().toBytes());

    Tensor expected = DYNAMIC.get(name + ".dequant");
    Tensor values = CodeBook.DYNAMIC.values().to(expected.device());
    assertArrayEquals(
        expected.toFloats(),
        codec
            .dequantize(
                DYNAMIC.get(name + ".q"),
                DYNAMIC.get(name + ".absmax"),
                values,
                expected.numel(),
                DType.FLOAT32)
            .toFloats());
  }

  /** What has been quantized once comes back as it is, over more than one band and a short tail. */
  @ParameterizedTest
  @ValueSource(ints = {64, 4096})
  void quantizingTwiceChangesNothing(int blockSize) {
    BlockwiseQuantizer codec = new BlockwiseQuantizer(CodeBook.NF4, blockSize);
    Tensor x = Creation.randn(DType.FLOAT32, 1031, 1033);
    BlockwiseQuantizer.Blocks first = codec.quantize(x);
    Tensor once = dense(codec, first, x.numel());
    BlockwiseQuantizer.Blocks second = codec.quantize(once);
    assertArrayEquals(first.codes().toBytes(), second.codes().toBytes());
    assertArrayEquals(once.toBytes(), dense(codec, second, x.numel()).toBytes());
    double error = once.sub(x.reshape(-1)).pow(2).mean().sqrt().toDouble();
    assertTrue(error > 0.05 && error < 0.2, () -> "rmse " + error);
  }

  /** A transposed view is read in the order of its elements, not of its memory. */
  @Test
  void layoutInMemoryDoesNotMatter() {
    BlockwiseQuantizer codec = new BlockwiseQuantizer(CodeBook.NF4, 64);
    Tensor x = Creation.randn(DType.BFLOAT16, 48, 80);
    assertArrayEquals(
        codec.quantize(x.t().copy().contiguous()).codes().toBytes(),
        codec.quantize(x.t()).codes().toBytes());
  }

  @Test
  void blockSizesAreThoseOfBitsandbytes() {
    var error =
        assertThrows(
            IllegalArgumentException.class, () -> new BlockwiseQuantizer(CodeBook.NF4, 48));
    assertEquals(
        "The block size is 48. Expected one of [32, 64, 128, 256, 512, 1024, 2048, 4096].",
        error.getMessage());
  }

  @Test
  void whatHasNoCodeIsRefused() {
    BlockwiseQuantizer codec = new BlockwiseQuantizer(CodeBook.FP4, 64);
    Tensor nan = Creation.ofFloats(new float[] {1, Float.NaN}, 2);
    assertMessage("holds NaN or infinite values", () -> codec.quantize(nan));
    Tensor infinite = Creation.ofFloats(new float[] {1, Float.NEGATIVE_INFINITY}, 2);
    assertMessage("holds NaN or infinite values", () -> codec.quantize(infinite));
    assertMessage("has type int64", () -> codec.quantize(Creation.ofLongs(new long[] {1}, 1)));
  }

  @Test
  void countsThatDoNotFitAreRefused() {
    BlockwiseQuantizer codec = new BlockwiseQuantizer(CodeBook.NF4, 64);
    BlockwiseQuantizer.Blocks blocks = codec.quantize(Creation.randn(DType.FLOAT32, 130));
    assertMessage(
        "There are 65 codes. Expected 64, for 128 elements in blocks of 64.",
        () -> dense(codec, blocks, 128));
    assertMessage(
        "There are 3 absmax. Expected 2, for 128 elements in blocks of 64.",
        () ->
            codec.dequantize(
                blocks.codes().narrow(0, 0, 64),
                blocks.absmax(),
                CodeBook.NF4.values(),
                128,
                DType.FLOAT32));
    assertMessage(
        "has type uint8",
        () ->
            codec.dequantize(
                blocks.codes(), blocks.absmax(), CodeBook.NF4.values(), 130, DType.UINT8));
  }

  /** FP4's code 8 is the negative zero that CUDA writes for tiny values, and the CPU does not. */
  static byte[] withoutNegativeZero(byte[] packed) {
    byte[] result = packed.clone();
    for (int i = 0; i < result.length; i++) {
      int first = (result[i] >> 4) & 15;
      int second = result[i] & 15;
      result[i] = (byte) ((first == 8 ? 0 : first << 4) | (second == 8 ? 0 : second));
    }
    return result;
  }

  private static Tensor dense(BlockwiseQuantizer codec, BlockwiseQuantizer.Blocks b, long n) {
    return codec.dequantize(b.codes(), b.absmax(), CodeBook.NF4.values(), n, DType.FLOAT32);
  }

  private static void assertMessage(String part, Runnable code) {
    String message = assertThrows(IllegalArgumentException.class, code::run).getMessage();
    assertTrue(message.contains(part), message);
  }

  private static BlockwiseQuantizer fourBit(String[] parts) {
    return new BlockwiseQuantizer(QuantType.parse(parts[2]).codeBook(), blockSize(parts[3]));
  }

  private static int blockSize(String name) {
    return Integer.parseInt(name.substring(2));
  }
}
