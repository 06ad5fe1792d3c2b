package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;

class QuantStateTest {
  @Test
  void jsonIsThatOfPython() {
    assertEquals(
        "{\"quant_type\": \"fp4\", \"blocksize\": 128, \"dtype\": \"float32\", \"shape\": [5, 90]}",
        json(OptionalDouble.empty()));
    assertEquals(
        "{\"quant_type\": \"fp4\", \"blocksize\": 128, \"dtype\": \"float32\", \"shape\": [5, 90],"
            + " \"nested_blocksize\": 256, \"nested_dtype\": \"float32\","
            + " \"nested_offset\": 0.1311798095703125}",
        json(OptionalDouble.of(0.1311798095703125)));
  }

  /** Expected values printed by Python's {@code repr}. */
  @ParameterizedTest
  @CsvSource({
    "0, 0.0",
    "1, 1.0",
    "-2.5, -2.5",
    "1e-4, 0.0001",
    "1e-5, 1e-05",
    "1.25e-7, 1.25e-07",
    "2e-3, 0.002",
    "2.0E-3, 0.002",
    "123456789012345680, 1.2345678901234568e+17",
    "9999999999999998, 9999999999999998.0",
    "1e16, 1e+16",
    "0.10000000149011612, 0.10000000149011612",
    "2.2250738585072014e-308, 2.2250738585072014e-308"
  })
  void numbersAreLaidOutAsInPython(double number, String expected) {
    assertEquals(expected, QuantState.pythonRepr(number));
  }

  private static String json(OptionalDouble offset) {
    QuantState state = new QuantState(QuantType.FP4, 128, DType.FLOAT32, Shape.of(5, 90), offset);
    return new String(state.json(), StandardCharsets.UTF_8);
  }
}
