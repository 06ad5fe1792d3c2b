package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.quant.GoldenTensors;
import org.peftjava.quant.ScopedTest;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;

class EightBitWeightTest extends ScopedTest {
  private static final GoldenTensors GOLDEN = GoldenTensors.open("int8");

  @ParameterizedTest
  @ValueSource(strings = {"f32", "bf16", "f16"})
  void codesAndScalesAreThoseOfBitsandbytes(String type) {
    Tensor dense = GOLDEN.get("w." + type + ".in");
    try (EightBitWeight weight = EightBitWeight.quantize(dense, dense.dtype(), 6)) {
      assertEquals(Set.of("weight", "SCB", "weight_format"), weight.state().keySet());
      assertArrayEquals(
          GOLDEN.get("w." + type + ".CB").toBytes(),
          weight.state().get("weight").tensor().toBytes());
      assertArrayEquals(
          GOLDEN.get("w." + type + ".SCB").toBytes(), weight.state().get("SCB").tensor().toBytes());
      assertArrayEquals(
          GOLDEN.get("w." + type + ".dequant").toFloats(),
          weight.dequantize(DType.FLOAT32).toFloats());
      weight.checkLoaded("layer");
    }
  }

  /**
   * Values and gradients of {@code bitsandbytes.nn.Linear8bitLt} on the CPU, in either mode. While
   * training the CPU multiplies by the dense weight; a card rounds inputs then too.
   */
  @ParameterizedTest
  @CsvSource({
    "f32, 0, eval", "f32, 0, train", "f32, 6, eval", "f32, 6, train",
    "bf16, 0, eval", "bf16, 0, train", "bf16, 6, eval", "bf16, 6, train",
    "f16, 0, eval", "f16, 0, train", "f16, 6, eval", "f16, 6, train"
  })
  void equalsLinear8bitLt(String type, double threshold, String mode) {
    String as = Device.defaultDevice().isCuda() ? "eval" : mode;
    String name = "x.%s.thr%d.%s".formatted(type, (int) threshold, as);
    Tensor x = GOLDEN.get("x." + type + ".in").copy().requiresGrad(true);
    Tensor w = GOLDEN.get("w." + type + ".in");
    Parameter bias = parameter(GOLDEN.get("bias.f32").to(w.dtype()));
    try (Linear8bitLt layer =
        new Linear8bitLt(EightBitWeight.quantize(w, w.dtype(), threshold), bias)) {
      layer.train(mode.equals("train"));
      Tensor y = layer.forward(x);
      y.backward(Creation.ones(y.dtype(), y.shape().toArray()));
      // 2e-5: the constant of bitsandbytes' CPU build is that far off
      double tolerance = type.equals("f32") ? 5e-5 : type.equals("f16") ? 2e-3 : 1.0 / 100;
      assertClose(GOLDEN.get(name + ".y"), y, tolerance);
      assertClose(GOLDEN.get(name + ".grad_x_of_ones"), x.grad().orElseThrow(), tolerance);
    }
  }

  /** Rows so long that float32 could not hold the sums of products. */
  @Test
  void longRowsAreSummedExactly() {
    int d = 5000;
    float[] large = new float[2 * d];
    for (int i = 0; i < large.length; i++) {
      large[i] = i % 7 == 0 ? 0.25f : 1;
    }
    Tensor w = Creation.ofFloats(large, 2, d);
    try (Linear8bitLt layer =
        new Linear8bitLt(EightBitWeight.quantize(w, DType.FLOAT32, 0), null)) {
      layer.eval();
      Tensor y = layer.forward(w);
      long sum = 0;
      for (int i = 0; i < d; i++) {
        long code = i % 7 == 0 ? 32 : 127;
        sum += code * code;
      }
      assertEquals((float) (sum * (1.0 / (127 * 127))), y.toFloats()[0], 1e-3f);
    }
  }

  /** Only outliers are beyond what a code could say, and they are multiplied as they are. */
  @Test
  void outliersBeyondFloat16AreKept() {
    Tensor w = Creation.randn(DType.FLOAT32, 24, 33);
    Tensor x = Creation.randn(DType.FLOAT32, 3, 2, 33);
    float[] values = x.toFloats();
    values[5] = 3e6f;
    values[40] = -7.5f;
    Tensor input = Creation.ofFloats(values, 3, 2, 33);
    try (EightBitWeight weight = EightBitWeight.quantize(w, DType.FLOAT32, 6)) {
      Tensor expected = MatrixOps.linear(input, weight.dequantize(DType.FLOAT32), null);
      assertClose(expected, weight.product(input, null, false), 2e-2);
      assertClose(expected, weight.product(input, null, true), 1e-6);
    }
    try (EightBitWeight weight = EightBitWeight.quantize(w, DType.FLOAT32, 0)) {
      Tensor expected = MatrixOps.linear(input, weight.dequantize(DType.FLOAT32), null);
      // without outliers one scale serves the whole row
      assertTrue(weight.product(input, null, false).isFinite());
      assertClose(expected.select(0, 1), weight.product(input.select(0, 1), null, false), 4e-2);
    }
  }

  @Test
  void zeroRowsAndEmptyInputsGiveTheBias() {
    Tensor w = Creation.zeros(DType.FLOAT32, 3, 5);
    try (Linear8bitLt layer =
        new Linear8bitLt(
            EightBitWeight.quantize(w, DType.FLOAT32, 6),
            parameter(Creation.ofFloats(new float[] {1, 2, 3}, 3)))) {
      layer.eval();
      assertArrayEquals(
          new float[] {1, 2, 3}, layer.forward(Creation.zeros(DType.FLOAT32, 1, 5)).toFloats());
      assertArrayEquals(
          new float[] {1, 2, 3}, layer.forward(Creation.ones(DType.FLOAT32, 1, 5)).toFloats());
      assertEquals(0, layer.forward(Creation.zeros(DType.FLOAT32, 0, 5)).numel());
      assertArrayEquals(new float[15], layer.denseWeight(DType.FLOAT32).toFloats());
    }
  }

  @Test
  void keepsNothingForTheBackwardPass() {
    Tensor w = Creation.randn(DType.BFLOAT16, 40, 72);
    try (Linear8bitLt layer = new Linear8bitLt(EightBitWeight.quantize(w, w.dtype(), 6), null)) {
      Tensor x = Creation.randn(DType.FLOAT32, 9, 72).requiresGrad(true);
      long before = TensorLedger.liveTensors();
      try (TensorScope scope = TensorScope.openGraph("step")) {
        Tensor y = layer.forward(x);
        assertEquals(before + 1, TensorLedger.liveTensors());
        y.sum().backward();
      }
      assertEquals(before, TensorLedger.liveTensors());
      x.setGrad(null);
    }
  }

  @Test
  void requantizingReplacesTheValuesOrNothing() {
    Tensor w = Creation.randn(DType.BFLOAT16, 6, 10);
    try (EightBitWeight weight = EightBitWeight.quantize(w, w.dtype(), 6)) {
      float[] before = weight.dequantize(DType.FLOAT32).toFloats();
      float[] broken = before.clone();
      broken[3] = Float.POSITIVE_INFINITY;
      Tensor infinite = Creation.ofFloats(broken, 6, 10);
      assertThrows(IllegalArgumentException.class, () -> weight.requantize(infinite));
      Tensor narrow = Creation.randn(DType.FLOAT32, 10, 6);
      assertThrows(IllegalArgumentException.class, () -> weight.requantize(narrow));
      assertArrayEquals(before, weight.dequantize(DType.FLOAT32).toFloats());
      Tensor other = Creation.randn(DType.FLOAT32, 6, 10);
      weight.requantize(other);
      assertClose(other, weight.dequantize(DType.FLOAT32), 2e-2);
    }
  }

  @Test
  void damagedFilesAreNamed() {
    Tensor w = Creation.randn(DType.FLOAT32, 2, 4);
    try (EightBitWeight weight = EightBitWeight.quantize(w, w.dtype(), 6)) {
      weight.state().get("weight_format").adopt(Creation.full(DType.UINT8, 2));
      String layout =
          assertThrows(IllegalArgumentException.class, () -> weight.checkLoaded("a.q"))
              .getMessage();
      assertTrue(layout.startsWith("a.q.weight_format is 2, a layout of old CUDA"), layout);
      weight.state().get("weight_format").adopt(Creation.full(DType.UINT8, 0));
      weight.state().get("SCB").adopt(Creation.ofFloats(new float[] {1, Float.NaN}, 2));
      String scales =
          assertThrows(IllegalArgumentException.class, () -> weight.checkLoaded("a.q"))
              .getMessage();
      assertTrue(scales.startsWith("a.q.SCB holds NaN, infinite or negative scales."), scales);
    }
  }

  private static Parameter parameter(Tensor values) {
    Parameter parameter = new Parameter(values.shape(), values.dtype(), Init.zeros());
    parameter.adopt(values.copy());
    return parameter;
  }

  private static void assertClose(Tensor expected, Tensor actual, double tolerance) {
    assertEquals(expected.shape(), actual.shape());
    float[] e = expected.to(DType.FLOAT32).toFloats();
    float[] a = actual.to(DType.FLOAT32).toFloats();
    double scale = expected.to(DType.FLOAT32).pow(2).mean().sqrt().toDouble();
    for (int i = 0; i < e.length; i++) {
      assertEquals(e[i], a[i], tolerance * Math.max(scale, Math.abs(e[i])), "element " + i);
    }
  }
}
