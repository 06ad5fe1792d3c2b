package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.quant.ScopedTest;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;

/** The native step beside that of libtorch's operators. */
@Tag("native-kernels")
class NativeAdamW8bitTest extends ScopedTest {
  private static final AdamW.Options OPTIONS = new AdamW.Options(3e-3, 0.8, 0.97, 1e-8, 0.05);
  private static final Map<String, Long> SIZES =
      Map.of("coded", 300_001L, "small", 700L, "wide", 5000L);
  private static final Set<String> WIDE = Set.of("wide");

  /** Codes differ in one of 10,000 at most: where a moment is half-way between two. */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"FLOAT32", "BFLOAT16"})
  void stepsAreThoseOfTheOperators(DType type) {
    Randomness.manualSeed(7);
    Map<String, Parameter> ours = parameters(type);
    Map<String, Parameter> theirs = new LinkedHashMap<>();
    ours.forEach((name, parameter) -> theirs.put(name, parameter(parameter.tensor().detach())));
    try (AdamW8bit kernel = new AdamW8bit(ours, OPTIONS, WIDE);
        AdamW8bit operators = new AdamW8bit(theirs, OPTIONS, WIDE, true)) {
      for (int step = 0; step < 4; step++) {
        for (String name : ours.keySet()) {
          Tensor gradient = Creation.randn(type, SIZES.get(name));
          if (step == 2) {
            gradient.narrow(0, 300, 1).copyInPlace(Creation.full(type, Float.NaN, 1));
            gradient.narrow(0, 500, 1).copyInPlace(Creation.full(type, 1e20, 1));
          }
          ours.get(name).tensor().setGrad(gradient.copy());
          theirs.get(name).tensor().setGrad(gradient);
        }
        kernel.step();
        operators.step();
      }
      Map<String, Tensor> expected = operators.stateDict();
      kernel.stateDict().forEach((name, tensor) -> assertSame(expected.get(name), tensor, name));
      ours.forEach(
          (name, parameter) ->
              assertSame(theirs.get(name).tensor().detach(), parameter.tensor().detach(), name));
    }
    ours.values().forEach(Parameter::close);
    theirs.values().forEach(Parameter::close);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void noStepIsMuchLongerThanTheLearningRate(boolean portable) {
    StepLengths.check(portable, tensor -> tensor);
  }

  @Test
  void damagedScalesAreRefused() {
    Map<String, Parameter> parameters = parameters(DType.FLOAT32);
    try (AdamW8bit optimizer = new AdamW8bit(parameters, OPTIONS, WIDE)) {
      parameters.forEach(
          (name, parameter) ->
              parameter.tensor().setGrad(Creation.randn(DType.FLOAT32, SIZES.get(name))));
      optimizer.step();
      Map<String, byte[]> before = new LinkedHashMap<>();
      optimizer.stateDict().forEach((name, tensor) -> before.put(name, tensor.toBytes()));
      for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, -1}) {
        Map<String, Tensor> state = new LinkedHashMap<>(optimizer.stateDict());
        Tensor scales = state.get("coded.absmax2").copy();
        scales.narrow(0, 3, 1).copyInPlace(Creation.full(DType.FLOAT32, bad, 1));
        state.put("coded.absmax2", scales);
        String message =
            assertThrows(IllegalArgumentException.class, () -> optimizer.loadStateDict(state))
                .getMessage();
        assertTrue(message.contains("'coded' has scales"), message);
      }
      assertSameBytes(before, optimizer.stateDict());
      Map<String, Tensor> other = new LinkedHashMap<>(optimizer.stateDict());
      other.put("wide.state1", Creation.zeros(DType.UINT8, Device.CPU, SIZES.get("wide")));
      String message =
          assertThrows(IllegalArgumentException.class, () -> optimizer.loadStateDict(other))
              .getMessage();
      assertTrue(
          message.contains("'wide' has state1 of uint8[5000]. Expected float32[5000]"), message);
      assertSameBytes(before, optimizer.stateDict());
    }
    parameters.values().forEach(Parameter::close);
  }

  private static void assertSameBytes(Map<String, byte[]> expected, Map<String, Tensor> actual) {
    assertEquals(expected.keySet(), actual.keySet());
    actual.forEach((name, tensor) -> assertArrayEquals(expected.get(name), tensor.toBytes(), name));
  }

  /** Later steps carry on where a code was another one. */
  private static void assertSame(Tensor expected, Tensor actual, String name) {
    assertEquals(expected.dtype(), actual.dtype());
    float[] e = expected.to(DType.FLOAT32).toFloats();
    float[] a = actual.to(DType.FLOAT32).toFloats();
    boolean codes = expected.dtype() == DType.UINT8;
    double tolerance = expected.dtype() == DType.BFLOAT16 ? 0x1p-7 : 1e-6;
    int different = 0;
    for (int i = 0; i < e.length; i++) {
      double error = Math.abs(e[i] - a[i]) / (codes ? 1 : 1 + Math.abs(e[i]));
      assertTrue(error <= (codes ? 2 : 0.02), name + " " + i + ": " + e[i] + " and " + a[i]);
      different += error > (codes ? 0 : tolerance) ? 1 : 0;
    }
    int count = different;
    assertTrue(count <= e.length / 10_000, () -> name + ": " + count + " of " + e.length);
  }

  private static Map<String, Parameter> parameters(DType type) {
    Map<String, Parameter> result = new LinkedHashMap<>();
    SIZES.forEach((name, size) -> result.put(name, parameter(Creation.randn(type, size))));
    return result;
  }

  private static Parameter parameter(Tensor values) {
    Parameter result = new Parameter(values.shape(), values.dtype(), Init.zeros());
    result.adopt(values.copy());
    return result;
  }
}
