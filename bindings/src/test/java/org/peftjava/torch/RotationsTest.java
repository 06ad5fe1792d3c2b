package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.torch.kernels.AttentionKernel.Operand;
import org.peftjava.torch.kernels.ElementType;
import org.peftjava.torch.kernels.RotationKernel;

/** Rotations against their formula, and their gradients. */
@ExtendWith(LedgerCheck.class)
class RotationsTest {
  /** One table for all rows, or one each; sizes that do and do not fill vectors. */
  @ParameterizedTest
  @CsvSource({"1,2,3,8,1", "2,3,5,10,1", "2,1,1,64,2", "3,2,4,34,3", "1,2,7,2,1"})
  void valuesAndGradientsAreThoseOfTheFormula(int b, int h, int t, int d, int tables) {
    Randomness.manualSeed(5);
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor x = Creation.randn(DType.FLOAT32, b, t, h, d).requiresGrad(true);
      Tensor cos = Creation.randn(DType.FLOAT32, tables, 1, t, d);
      Tensor sin = Creation.randn(DType.FLOAT32, tables, 1, t, d);
      Tensor outer = Creation.randn(DType.FLOAT32, b, h, t, d);

      Tensor turned = Rotations.apply(x.transpose(1, 2), cos, sin);
      turned.mul(outer).sum().backward();
      float[] gradient = x.grad().orElseThrow().toFloats();
      x.setGrad(null);
      Tensor expected = formula(x.transpose(1, 2), cos, sin);
      expected.mul(outer).sum().backward();

      assertEquals(expected.shape(), turned.shape());
      assertArrayEquals(expected.toFloats(), turned.toFloats(), 1e-5f);
      assertArrayEquals(x.grad().orElseThrow().toFloats(), gradient, 1e-5f);
    }
  }

  private static Tensor formula(Tensor x, Tensor cos, Tensor sin) {
    return x.mul(cos).add(Ops.roll(x, x.size(3) / 2).mul(sin));
  }

  /** The first product is rounded, as by operators one after the other. */
  @Test
  void bfloat16IsRoundedAsByOperators() {
    Randomness.manualSeed(6);
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Tensor x = Creation.randn(DType.FLOAT32, 2, 3, 4, 16).to(DType.BFLOAT16);
      Tensor cos = Creation.randn(DType.FLOAT32, 1, 1, 4, 16).to(DType.BFLOAT16);
      Tensor sin = Creation.randn(DType.FLOAT32, 1, 1, 4, 16).to(DType.BFLOAT16);
      Tensor expected = x.mul(cos).addcmulInPlace(Ops.roll(x, 8), sin, 1);
      assertArrayEquals(expected.toFloats(), Rotations.apply(x, cos, sin).toFloats());
    }
  }

  @Test
  void otherTypesAreComposed() {
    Randomness.manualSeed(7);
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.randn(DType.FLOAT32, 2, 3, 4, 16);
      Tensor cos = Creation.randn(DType.FLOAT32, 1, 1, 4, 16);
      Tensor sin = Creation.randn(DType.FLOAT32, 1, 1, 4, 16);
      Tensor wide =
          Rotations.apply(x.to(DType.FLOAT64), cos.to(DType.FLOAT64), sin.to(DType.FLOAT64));
      assertEquals(DType.FLOAT64, wide.dtype());
      assertArrayEquals(wide.toFloats(), Rotations.apply(x, cos, sin).toFloats(), 1e-5f);
    }
  }

  @Test
  void oddHeadsAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> new RotationKernel.Sizes(1, 1, 1, 3));
    RotationKernel.Sizes sizes = new RotationKernel.Sizes(1, 1, 1, 4);
    Operand nothing = new Operand(0, 0, 0, 0);
    assertThrows(
        IllegalArgumentException.class,
        () ->
            RotationKernel.turn(
                ElementType.FLOAT32, sizes, nothing, nothing, nothing, nothing, false, 1));
  }
}
