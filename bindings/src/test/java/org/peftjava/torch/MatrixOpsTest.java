package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Linear maps against {@code x W^T + b} in float64: small, widened and general products. */
@Tag("portable")
@ExtendWith(LedgerCheck.class)
class MatrixOpsTest {
  @ParameterizedTest
  @CsvSource({
    "FLOAT32, 1, true", "FLOAT32, 1, false", "FLOAT32, 8, true", "FLOAT32, 9, true",
    "BFLOAT16, 1, true", "BFLOAT16, 1, false", "BFLOAT16, 8, true", "BFLOAT16, 9, true",
    "BFLOAT16, 40, false", "FLOAT64, 3, true", "FLOAT32, 0, true", "BFLOAT16, 0, true",
  })
  void linearWithoutGradients(DType type, int rows, boolean bias) {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Tensor x = Values.normal(51, type, rows, 33);
      Tensor w = Values.normal(52, type, 18, 33);
      Tensor b = bias ? Values.normal(53, type, 18) : null;
      assertLinear(type, x, w, b);
      assertLinear(type, x.reshape(1, rows, 33), w, b);
      if (rows == 1) {
        assertLinear(type, x.reshape(33), w, b);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    // type, rows, bias, needs: 1 x, 2 weight, 4 bias
    "FLOAT32, 5, true, 1", "FLOAT32, 5, true, 7", "FLOAT32, 1, false, 2", "FLOAT32, 30, true, 4",
    "BFLOAT16, 5, true, 1", "BFLOAT16, 5, false, 1", "BFLOAT16, 1, true, 1", "BFLOAT16, 5, true, 7",
    "BFLOAT16, 5, true, 4", "BFLOAT16, 5, true, 2", "FLOAT64, 5, true, 7",
  })
  void linearWithGradients(DType type, int rows, boolean bias, int needs) {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Values.normal(54, type, 2, rows, 16).requiresGrad((needs & 1) != 0);
      Tensor w = Values.normal(55, type, 7, 16).requiresGrad((needs & 2) != 0);
      Tensor b = Values.normal(56, type, 7).requiresGrad((needs & 4) != 0);
      Differentiated expected =
          Differentiated.runInDouble(
              in -> composed(in.get(0), in.get(1), bias ? in.get(2) : null), x, w, b);
      Differentiated actual =
          Differentiated.run(
              in -> MatrixOps.linear(in.get(0), in.get(1), bias ? in.get(2) : null), x, w, b);
      assertEquals(type, actual.type());
      expected.assertGives(actual, Values.tolerance(type));
    }
  }

  /** As many rows and results as products with frozen weights have kernels of their own for. */
  @ParameterizedTest
  @CsvSource({
    "FLOAT32, 60, true",
    "FLOAT32, 60, false",
    "BFLOAT16, 60, true",
    "BFLOAT16, 12, false",
    "BFLOAT16, 110, true",
    "BFLOAT16, 110, false",
  })
  void manyRowsWithAFrozenWeight(DType type, int rows, boolean turned) {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Values.normal(66, type, 2, rows, 140).requiresGrad(true);
      Tensor w = turned ? Values.normal(67, type, 150, 140) : Values.normal(67, type, 140, 150);
      Tensor b = Values.normal(68, type, 150);
      Differentiated.runInDouble(
              in -> composed(in.get(0), turned ? in.get(1) : in.get(1).t(), in.get(2)), x, w, b)
          .assertGives(
              Differentiated.run(
                  in ->
                      turned
                          ? MatrixOps.linear(in.get(0), in.get(1), in.get(2))
                          : MatrixOps.linearTransposed(in.get(0), in.get(1), in.get(2)),
                  x,
                  w,
                  b),
              10 * Values.tolerance(type));
    }
  }

  /** 70 rows of 4096 are widened in two blocks. */
  @Test
  void widensLargeWeightsBlockByBlock() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Values.normal(57, DType.BFLOAT16, 3, 4096).requiresGrad(true);
      Tensor w = Values.normal(58, DType.BFLOAT16, 70, 4096).mul(1 / 64.0);
      Differentiated.runInDouble(in -> composed(in.get(0), in.get(1), null), x, w)
          .assertGives(
              Differentiated.run(in -> MatrixOps.linear(in.get(0), in.get(1), null), x, w), 0.01);
    }
  }

  @ParameterizedTest
  @CsvSource({"FLOAT32, 4", "FLOAT32, 30", "BFLOAT16, 4", "BFLOAT16, 30"})
  void takesTensorsWithGaps(DType type, int rows) {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Values.normal(59, type, 12, rows);
      Tensor w = Values.normal(60, type, 12, 5);
      Tensor b = Values.normal(61, type, 5, 2);
      assertLinear(type, x.t(), w.t(), b.select(1, 0));
      try (GradMode off = GradMode.noGrad()) {
        assertLinear(type, x.t(), w.t(), b.select(1, 0));
        assertLinear(type, x.t().contiguous(), w.t(), b.select(1, 0));
        assertLinear(type, x.t().contiguous(), w.t().contiguous(), b.select(1, 1));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"FLOAT32, true", "FLOAT32, false", "BFLOAT16, true", "BFLOAT16, false"})
  void shapesThatDoNotFitAreErrors(DType type, boolean gradients) {
    try (TensorScope scope = TensorScope.open("test");
        GradMode mode = gradients ? GradMode.enableGrad() : GradMode.noGrad()) {
      Tensor x = Values.normal(62, type, 2, 6);
      Tensor w = Values.normal(63, type, 4, 6);
      for (List<Tensor> bad :
          List.of(
              List.of(x, Values.normal(64, type, 4, 5)),
              List.of(x, Values.normal(64, type, 2, 4, 6)),
              List.of(x, w, Values.normal(65, type, 3)),
              List.of(x, w, Values.normal(65, type, 5)))) {
        assertThrows(
            TorchException.class,
            () -> MatrixOps.linear(bad.get(0), bad.get(1), bad.size() > 2 ? bad.get(2) : null));
      }
      TorchException.ShapeMismatch e =
          assertThrows(
              TorchException.ShapeMismatch.class,
              () -> MatrixOps.linear(x, w.to(DType.FLOAT64), null));
      assertTrue(e.getMessage().contains("dtype"), e.getMessage());
    }
  }

  @Test
  void addmmAddsInPlace() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor a = Creation.ofFloats(new float[] {1, 2, 3, 4}, 2, 2);
      Tensor b = Creation.ofFloats(new float[] {5, -6, 7, 8}, 2, 2);
      Tensor out = Creation.ofFloats(new float[] {100, 200, 300, 400}, 2, 2);
      MatrixOps.addmmInto(out, a, b, 0.5, 2);
      assertArrayEquals(new float[] {88, 120, 236, 228}, out.toFloats());
      Tensor unset = Creation.full(DType.FLOAT32, Double.NaN, 2, 2);
      MatrixOps.addmmInto(unset, a, b, 0, 1);
      assertArrayEquals(new float[] {19, 10, 43, 14}, unset.toFloats());
    }
  }

  private static void assertLinear(DType type, Tensor x, Tensor w, @Nullable Tensor b) {
    Tensor y = MatrixOps.linear(x, w, b);
    Tensor expected =
        composed(x.to(DType.FLOAT64), w.to(DType.FLOAT64), b == null ? null : b.to(DType.FLOAT64));
    assertEquals(expected.shape(), y.shape());
    assertEquals(type, y.dtype());
    Values.assertClose(expected.toFloats(), y.toFloats(), Values.tolerance(type), "value");
  }

  private static Tensor composed(Tensor x, Tensor w, @Nullable Tensor b) {
    Tensor y = x.matmul(w.t());
    return b == null ? y : y.add(b);
  }
}
