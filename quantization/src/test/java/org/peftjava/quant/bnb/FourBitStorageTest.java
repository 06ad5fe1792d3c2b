package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.OptionalDouble;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.quant.ScopedTest;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;

/** {@code bnb_4bit_quant_storage}: the same bytes as elements of another type, if they fit. */
class FourBitStorageTest extends ScopedTest {
  /** Rows that end inside a block, an odd number of elements, and a last block of one element. */
  @ParameterizedTest
  @CsvSource({
    "UINT8, 3, 5, 8",
    "UINT8, 5, 13, 33",
    "UINT8, 1, 1, 1",
    "UINT8, 24, 70, 840",
    "BFLOAT16, 3, 5, 4",
    "BFLOAT16, 24, 70, 420",
    "BFLOAT16, 1, 3, 1",
    "FLOAT16, 7, 9, 16",
    "FLOAT16, 24, 70, 420",
    "FLOAT32, 3, 5, 2",
    "FLOAT32, 24, 70, 210",
    "FLOAT32, 9, 80, 90"
  })
  void theBytesAreTheSame(DType storage, long rows, long columns, long elements) {
    Tensor dense = Creation.randn(DType.BFLOAT16, rows, columns);
    for (boolean nested : new boolean[] {false, true}) {
      FourBitFormat format = new FourBitFormat(QuantType.NF4, 64, nested, storage);
      try (FourBitWeight weight = FourBitWeight.quantize(dense, dense.dtype(), format);
          FourBitWeight bytes = FourBitWeight.quantize(dense, QuantType.NF4, 64, nested)) {
        Tensor packed = weight.state().get("weight").tensor();
        assertEquals(storage, packed.dtype());
        assertEquals(Shape.of(elements, 1), packed.shape());
        assertArrayEquals(bytes.state().get("weight").tensor().toBytes(), packed.toBytes());
        Tensor values = bytes.dequantize(DType.FLOAT32);
        assertArrayEquals(values.toFloats(), weight.dequantize(DType.FLOAT32).toFloats());
        Tensor x = Creation.randn(DType.FLOAT32, 2, columns);
        float[] expected = MatrixOps.linear(x, values, null).toFloats();
        float[] actual = weight.product(x, null, true).toFloats();
        for (int i = 0; i < expected.length; i++) {
          assertEquals(expected[i], actual[i], 1e-4 * Math.sqrt(columns));
        }
        Tensor other = Creation.randn(DType.FLOAT32, rows, columns);
        weight.requantize(other);
        bytes.requantize(other);
        assertArrayEquals(
            bytes.state().get("weight").tensor().toBytes(),
            weight.state().get("weight").tensor().toBytes());
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "BFLOAT16, 5, 13, 33 bytes",
    "FLOAT16, 1, 1, 1 bytes",
    "FLOAT32, 3, 3, 5 bytes",
    "FLOAT32, 2, 6, 6 bytes"
  })
  void codesThatFillNoElementsAreRefused(DType storage, long rows, long columns, String bytes) {
    Tensor dense = Creation.randn(DType.BFLOAT16, rows, columns);
    FourBitFormat format = new FourBitFormat(QuantType.FP4, 64, true, storage);
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> FourBitWeight.quantize(dense, dense.dtype(), format).close())
            .getMessage();
    assertTrue(message.contains(bytes), message);
    assertTrue(message.contains("bnb_4bit_quant_storage uint8"), message);
    QuantState state =
        new QuantState(QuantType.FP4, 64, DType.BFLOAT16, dense.shape(), OptionalDouble.empty());
    assertThrows(
        IllegalArgumentException.class,
        () -> FourBitWeight.unloaded(state.json(), storage, "w").close());
  }
}
