package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(LedgerCheck.class)
class LinearAlgebraTest {
  private static final float[] A = {4, 1, 2, 1, 3, 0, 2, 0, 5};

  private static Tensor matrix() {
    return Creation.ofFloats(A, 3, 3);
  }

  private static void assertIsA(Tensor product) {
    assertArrayEquals(A, product.toFloats(), 1e-5f);
  }

  @Test
  void decompositionsMultiplyToTheMatrix() {
    try (TensorScope scope = TensorScope.open("test")) {
      LinearAlgebra.Svd svd = LinearAlgebra.svd(matrix());
      assertIsA(svd.u().mul(svd.s()).matmul(svd.vh()));
      LinearAlgebra.Qr qr = LinearAlgebra.qr(matrix());
      assertIsA(qr.q().matmul(qr.r()));
      LinearAlgebra.Eigen eigen = LinearAlgebra.eigh(matrix());
      assertIsA(eigen.vectors().mul(eigen.values()).matmul(eigen.vectors().t()));
    }
  }

  @Test
  void inversesAndSolutionsUndoTheMatrix() {
    try (TensorScope scope = TensorScope.open("test")) {
      float[] identity = {1, 0, 0, 0, 1, 0, 0, 0, 1};
      Tensor a = matrix();
      assertArrayEquals(identity, LinearAlgebra.inverse(a).matmul(a).toFloats(), 1e-5f);
      assertArrayEquals(identity, LinearAlgebra.pseudoInverse(a).matmul(a).toFloats(), 1e-5f);
      assertArrayEquals(identity, LinearAlgebra.solve(a, a).toFloats(), 1e-5f);
      assertArrayEquals(
          identity, LinearAlgebra.identity(DType.FLOAT32, Device.CPU, 3).toFloats(), 0);
      assertEquals(43, LinearAlgebra.det(a).toDouble(), 1e-4);
      assertEquals(
          Math.exp(2),
          LinearAlgebra.matrixExp(Creation.ofFloats(new float[] {2}, 1, 1)).toDouble(),
          1e-5);
      Tensor wide = Creation.zeros(DType.FLOAT32, 2, 3);
      assertThrows(TorchException.class, () -> LinearAlgebra.inverse(wide));
    }
  }

  @Test
  void productsOfBlocks() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor row = Creation.ofFloats(new float[] {1, 2}, 1, 2);
      Tensor column = Creation.ofFloats(new float[] {3, 4}, 2, 1);
      assertArrayEquals(new float[] {3, 6, 4, 8}, LinearAlgebra.kron(row, column).toFloats(), 0);
      assertArrayEquals(
          new float[] {1, 2, 0, 0, 0, 3, 0, 0, 4},
          LinearAlgebra.blockDiag(List.of(row, column)).toFloats(),
          0);
    }
  }
}
