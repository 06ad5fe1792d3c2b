package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.torch.kernels.NativeKernels;

@Tag("portable")
@ExtendWith(LedgerCheck.class)
class DropoutsTest {
  private static final double P = 0.3;

  /** That the run without kernels has none. */
  @Test
  void theSwitchDecidesAboutTheKernels() {
    if ("off".equals(System.getProperty("peftjava.kernels"))) {
      assertFalse(NativeKernels.available());
      assertEquals(
          "native kernels switched off by -Dpeftjava.kernels=off", NativeKernels.describe());
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"FLOAT32", "BFLOAT16", "FLOAT64", "FLOAT16"})
  void keepsTheShareAndScalesIt(DType type) {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Randomness.manualSeed(5);
      Tensor x = Creation.full(type, 2, 50, 200).requiresGrad(true);
      Tensor y = Dropouts.dropout(x, P);
      assertEquals(type, y.dtype());
      float[] values = y.toFloats();
      float scaled = Creation.full(type, 2 / (1 - P), 1).toFloats()[0];
      int dropped = 0;
      for (float value : values) {
        assertTrue(value == 0 || Math.abs(value - scaled) <= scaled / 128, "value " + value);
        dropped += value == 0 ? 1 : 0;
      }
      // Five standard deviations of a binomial count: sqrt(10000 * 0.3 * 0.7) = 46.
      assertEquals(P * values.length, dropped, 230);
      y.backward(Creation.full(type, 2, 50, 200));
      assertArrayEquals(values, x.grad().orElseThrow().toFloats());
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void masksFollowTheSeed(boolean gapless) {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor ones = Creation.ones(DType.FLOAT32, 30, 40);
      Tensor x = gapless ? ones : ones.t();
      Randomness.manualSeed(8);
      float[] first = Dropouts.dropout(x, P).toFloats();
      float[] second = Dropouts.dropout(x, P).toFloats();
      assertFalse(Arrays.equals(first, second));
      Randomness.manualSeed(8);
      assertArrayEquals(first, Dropouts.dropout(x, P).toFloats());
      assertArrayEquals(second, Dropouts.dropout(x, P).toFloats());
      Randomness.manualSeed(9);
      assertFalse(Arrays.equals(first, Dropouts.dropout(x, P).toFloats()));
    }
  }

  @Test
  void gradientWithGapsMeetsTheSameMask() {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor x = Creation.ones(DType.FLOAT32, 6, 9).requiresGrad(true);
      Tensor y = Dropouts.dropout(x, P);
      Tensor factors = Values.normal(71, DType.FLOAT32, 9, 6);
      y.t().mul(factors).sum().backward();
      float[] expected = y.detach().mul(factors.t()).toFloats();
      Values.assertClose(expected, x.grad().orElseThrow().toFloats(), 0, "gradient");
    }
  }

  @Test
  void probabilityZeroChangesNothing() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Values.normal(72, DType.FLOAT32, 3);
      assertSame(x, Dropouts.dropout(x, 0));
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {-0.1, 1.5, Double.NaN})
  void probabilitiesOutsideTheRangeAreErrors(double p) {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Values.normal(73, DType.FLOAT32, 3);
      assertThrows(RuntimeException.class, () -> Dropouts.dropout(x, p));
      assertThrows(RuntimeException.class, () -> Dropouts.dropout(x.to(DType.FLOAT64), p));
    }
  }

  @Test
  void emptyInputStaysEmpty() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.empty(DType.FLOAT32, Device.CPU, 0, 4);
      assertEquals(Shape.of(0, 4), Dropouts.dropout(x, P).shape());
    }
  }
}
