package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.quant.GoldenTensors;
import org.peftjava.quant.ScopedTest;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.nn.Parameter;

class FourBitWeightTest extends ScopedTest {
  private static final GoldenTensors FOUR_BIT = GoldenTensors.open("q4");
  private static final GoldenTensors LAYOUT = GoldenTensors.open("checkpoint_layout");

  static Stream<String> doubleQuantized() {
    return BlockwiseQuantizerTest.cases(FOUR_BIT, ".dq.absmax8");
  }

  /** Scales of double quantization, bit for bit; both builds of bitsandbytes agree on these. */
  @ParameterizedTest
  @MethodSource("doubleQuantized")
  void scalesAreQuantizedAsInBitsandbytes(String name) {
    String[] parts = name.split("\\.", -1); // case, dtype, type, block size
    Tensor dense = FOUR_BIT.get(parts[0] + "." + parts[1] + ".in");
    int blockSize = Integer.parseInt(parts[3].substring(2));
    try (FourBitWeight weight =
        FourBitWeight.quantize(
            dense.reshape(dense.size(0), -1), QuantType.parse(parts[2]), blockSize, true)) {
      Map<String, Parameter> state = weight.state();
      assertArrayEquals(
          FOUR_BIT.get(name + ".dq.absmax8").toBytes(),
          state.get("weight.absmax").tensor().toBytes());
      assertArrayEquals(
          FOUR_BIT.get(name + ".dq.nested_absmax").toBytes(),
          state.get("weight.nested_absmax").tensor().toBytes());
      assertEquals(
          FOUR_BIT.get(name + ".dq.offset").toDouble(),
          weight.quantState().nestedOffset().orElseThrow());
      if (parts[2].equals("nf4")) {
        assertArrayEquals(
            FOUR_BIT.get(name + ".dq.dequant").toFloats(),
            weight.dequantize(dense.dtype()).toFloats());
      }
    }
  }

  /** Every tensor that bitsandbytes saves for a layer, by name, type, shape and bytes. */
  @ParameterizedTest
  @CsvSource({"nf4, false", "nf4, true", "fp4, false", "fp4, true"})
  void stateIsWhatBitsandbytesSaves(String type, boolean doubleQuant) {
    String prefix = type + (doubleQuant ? "_dq" : "") + "_uint8/model.layers.0.self_attn.q_proj.";
    Set<String> expected =
        LAYOUT.names().stream()
            .filter(name -> name.startsWith(prefix))
            .map(name -> name.substring(prefix.length()))
            .collect(Collectors.toSet());
    try (FourBitWeight weight =
        FourBitWeight.quantize(LAYOUT.get("W_bf16"), QuantType.parse(type), 64, doubleQuant)) {
      Map<String, Parameter> state = weight.state();
      assertEquals(expected, state.keySet());
      state.forEach(
          (name, parameter) -> {
            Tensor reference = LAYOUT.get(prefix + name);
            assertEquals(reference.dtype(), parameter.dtype(), name);
            assertEquals(reference.shape(), parameter.shape(), name);
            byte[] wanted = reference.toBytes();
            byte[] actual = parameter.tensor().toBytes();
            if (type.equals("fp4") && name.equals("weight")) {
              wanted = BlockwiseQuantizerTest.withoutNegativeZero(wanted);
              actual = BlockwiseQuantizerTest.withoutNegativeZero(actual);
            }
            assertArrayEquals(wanted, actual, name);
          });
    }
  }

  @Test
  void holdsWhatTheFormatNeeds() {
    Tensor dense = Creation.randn(DType.BFLOAT16, 512, 512);
    long n = 512 * 512;
    try (FourBitWeight plain = FourBitWeight.quantize(dense, QuantType.NF4, 64, false);
        FourBitWeight nested = FourBitWeight.quantize(dense, QuantType.NF4, 64, true)) {
      assertEquals(n / 2 + n / 64 * 4 + 64 + plain.quantState().json().length, plain.bytes());
      assertEquals(
          n / 2 + n / 64 + n / 64 / 256 * 4 + 64 + 1024 + nested.quantState().json().length,
          nested.bytes());
    }
  }

  @ParameterizedTest
  @CsvSource({"false", "true"})
  void requantizingReplacesTheValues(boolean doubleQuant) {
    Tensor first = Creation.randn(DType.BFLOAT16, 24, 70);
    Tensor second = Creation.randn(DType.FLOAT32, 24, 70).mul(3);
    try (FourBitWeight weight = FourBitWeight.quantize(first, QuantType.NF4, 64, doubleQuant);
        FourBitWeight fresh = FourBitWeight.quantize(second, QuantType.NF4, 64, doubleQuant)) {
      long live = TensorLedger.liveTensors();
      weight.requantize(second);
      assertEquals(live, TensorLedger.liveTensors());
      assertArrayEquals(
          fresh.dequantize(DType.FLOAT32).toFloats(), weight.dequantize(DType.FLOAT32).toFloats());
      assertEquals(DType.BFLOAT16, weight.dtype());
      assertEquals(fresh.quantState().nestedOffset(), weight.quantState().nestedOffset());
      String json = "weight.quant_state.bitsandbytes__nf4";
      assertArrayEquals(weight.quantState().json(), weight.state().get(json).tensor().toBytes());
    }
  }

  @Test
  void whatCannotBeRequantizedLeavesTheWeightAlone() {
    try (FourBitWeight weight =
        FourBitWeight.quantize(Creation.randn(DType.FLOAT32, 4, 40), QuantType.FP4, 32, true)) {
      float[] before = weight.dequantize(DType.FLOAT32).toFloats();
      float[] broken = before.clone();
      broken[7] = Float.NaN;
      Tensor nan = Creation.ofFloats(broken, 4, 40);
      assertThrows(IllegalArgumentException.class, () -> weight.requantize(nan));
      Tensor transposed = Creation.randn(DType.FLOAT32, 40, 4);
      var error = assertThrows(IllegalArgumentException.class, () -> weight.requantize(transposed));
      assertEquals(
          "A quantized weight of shape [4, 40] cannot take values of shape [40, 4].",
          error.getMessage());
      assertArrayEquals(before, weight.dequantize(DType.FLOAT32).toFloats());
    }
  }

  @Test
  void onlyMatricesAreWeights() {
    Tensor vector = Creation.randn(DType.FLOAT32, 64);
    var error =
        assertThrows(
            IllegalArgumentException.class,
            () -> FourBitWeight.quantize(vector, QuantType.NF4, 64, false));
    assertTrue(error.getMessage().contains("has shape [64]. Expected a matrix"));
    Tensor empty = Creation.zeros(DType.FLOAT32, 0, 64);
    assertThrows(
        IllegalArgumentException.class,
        () -> FourBitWeight.quantize(empty, QuantType.NF4, 64, false));
  }

  @Test
  void dequantizedTensorsAreFresh() {
    try (FourBitWeight weight =
        FourBitWeight.quantize(Creation.randn(DType.FLOAT32, 8, 8), QuantType.NF4, 64, false)) {
      Tensor first = weight.dequantize(DType.FLOAT32);
      float[] values = first.toFloats();
      first.fillInPlace(9);
      assertArrayEquals(values, weight.dequantize(DType.FLOAT32).toFloats());
      assertNotEquals(9, values[0]);
    }
  }
}
