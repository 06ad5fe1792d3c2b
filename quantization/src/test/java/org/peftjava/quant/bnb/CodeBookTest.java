package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.peftjava.quant.GoldenTensors;
import org.peftjava.quant.ScopedTest;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;

class CodeBookTest extends ScopedTest {
  private static final GoldenTensors GOLDEN = GoldenTensors.open("codebooks");

  @Test
  void valuesEqualThoseOfBitsandbytesToTheBit() {
    assertArrayEquals(GOLDEN.get("nf4").toBytes(), CodeBook.NF4.values().toBytes());
    assertArrayEquals(GOLDEN.get("fp4").toBytes(), CodeBook.FP4.values().toBytes());
    assertArrayEquals(
        GOLDEN.get("dynamic_signed_8").toBytes(), CodeBook.DYNAMIC.values().toBytes());
    assertArrayEquals(
        GOLDEN.get("dynamic_unsigned_8").toBytes(), CodeBook.DYNAMIC_UNSIGNED.values().toBytes());
  }

  @Test
  void aThresholdItselfTakesTheLowerCodeAndTheNextNumberTheUpper() {
    float[] thresholds = GOLDEN.get("nf4.cuda_thresholds").toFloats();
    for (int code = 0; code < 15; code++) {
      float above = Math.nextUp(thresholds[code]);
      assertArrayEquals(new long[] {code, code + 1}, codes(CodeBook.NF4, thresholds[code], above));
    }
  }

  @Test
  void fp4TakesTheSmallerMagnitudeOfEitherSignAtAThreshold() {
    float[] thresholds = GOLDEN.get("fp4.cuda_thresholds_abs").toFloats();
    long[] ascending = {0, 1, 6, 7, 4, 5, 2, 3};
    for (int i = 0; i < 7; i++) {
      float limit = thresholds[i];
      float above = Math.nextUp(limit);
      assertArrayEquals(
          new long[] {ascending[i], ascending[i + 1], 8 + ascending[i], 8 + ascending[i + 1]},
          codes(CodeBook.FP4, limit, above, -limit, -above));
    }
  }

  @Test
  void everyValueIsItsOwnNearest() {
    long[] nf4 = CodeBook.NF4.nearest(CodeBook.NF4.values()).toLongs();
    long[] dynamic = CodeBook.DYNAMIC.nearest(CodeBook.DYNAMIC.values()).toLongs();
    for (int code = 0; code < 256; code++) {
      assertEquals(code, dynamic[code]);
      if (code < 16) {
        assertEquals(code, nf4[code]);
      }
    }
    assertEquals(7, CodeBook.NF4.zero());
    assertEquals(0, CodeBook.FP4.zero());
    assertEquals(127, CodeBook.DYNAMIC.zero());
  }

  @Test
  void namesAreThoseOfPython() {
    assertEquals(QuantType.FP4, QuantType.parse("fp4"));
    var error = assertThrows(IllegalArgumentException.class, () -> QuantType.parse("int4"));
    assertEquals(
        "Unknown 4-bit quantization type 'int4'. Expected nf4 or fp4.", error.getMessage());
  }

  private static long[] codes(CodeBook book, float... values) {
    Tensor x = Creation.ofFloats(values, values.length);
    return book.nearest(x).toLongs();
  }
}
