package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class BucketizeTest {
  @Test
  void countsTheBoundariesBelow() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor boundaries = Creation.ofFloats(new float[] {-1, 0.5f, 2}, 3);
      Tensor x = Creation.ofFloats(new float[] {-1, Math.nextUp(-1f), 0.5f, 0.6f, 2, 9}, 2, 3);
      Tensor buckets = Ops.bucketize(x, boundaries);
      assertEquals(DType.INT32, buckets.dtype());
      assertEquals(x.shape(), buckets.shape());
      assertArrayEquals(new long[] {0, 1, 1, 2, 2, 3}, buckets.toLongs());
    }
  }

  @Test
  void theLargestAlongADimensionIsNanWhereOneIs() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.ofFloats(new float[] {1, 7, 3, -2, Float.NaN, -5}, 2, 3);
      float[] rows = x.amax(1).toFloats();
      assertEquals(7, rows[0]);
      assertTrue(Float.isNaN(rows[1]));
      assertEquals(1, x.amax(0).toFloats()[0]);
    }
  }
}
