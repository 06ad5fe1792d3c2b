package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Numbers that {@code torch.Generator().manual_seed(3)} draws in Python (torch 2.13). */
@ExtendWith(LedgerCheck.class)
class SeededRandomTest {
  @Test
  void drawsPythonsNumbers() {
    try (TensorScope scope = TensorScope.open("test")) {
      SeededRandom random = new SeededRandom(3);
      Tensor three = Creation.zeros(DType.FLOAT32, 3);
      assertArrayEquals(UNIFORM, random.uniform(three, -1, 1).toFloats(), 0);
      assertArrayEquals(NORMAL, random.normal(three, 0.5, 2).toFloats(), 1e-6f);
      assertArrayEquals(PERMUTATION, random.permutation(5).toLongs());
      assertArrayEquals(INTEGERS, random.integers(2, 9, 4).toLongs());
    }
  }

  private static final float[] UNIFORM = {-0.99147296f, -0.7888613f, -0.42831504f};
  private static final float[] NORMAL = {0.9906511f, 2.7371862f, 1.3854798f};
  private static final long[] PERMUTATION = {1, 2, 4, 3, 0};
  private static final long[] INTEGERS = {4, 8, 7, 8};
}
