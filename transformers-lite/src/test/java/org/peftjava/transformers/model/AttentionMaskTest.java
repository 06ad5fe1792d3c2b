package org.peftjava.transformers.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

class AttentionMaskTest {
  private static final float NO = Float.NEGATIVE_INFINITY;

  @Test
  void needsNoTensorWithoutPadding() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor full = Creation.ones(DType.INT64, 2, 4);
      for (Tensor padding : new Tensor[] {null, full}) {
        assertEquals(new AttentionMask(null, true), mask(padding, 4, 0));
        assertEquals(new AttentionMask(null, false), mask(padding, 1, 3));
      }
    }
  }

  @Test
  void severalTokensBehindACacheSeeAllOfIt() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor addend = mask(null, 2, 2).addend();
      assertEquals(Shape.of(1, 1, 2, 4), addend.shape());
      assertArrayEquals(new float[] {0, 0, 0, NO, 0, 0, 0, 0}, addend.toFloats());
    }
  }

  @Test
  void paddingIsNeverSeen() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor padding = Creation.ofLongs(new long[][] {{1, 1, 0}, {0, 1, 1}});
      Tensor addend = mask(padding, 3, 0).addend();
      assertEquals(Shape.of(2, 1, 3, 3), addend.shape());
      assertArrayEquals(
          new float[] {0, NO, NO, 0, 0, NO, 0, 0, NO, NO, NO, NO, NO, 0, NO, NO, 0, 0},
          addend.toFloats());
      assertArrayEquals(new float[] {0, 0, NO, NO, 0, 0}, mask(padding, 1, 2).addend().toFloats());
      assertEquals(
          DType.BFLOAT16,
          AttentionMask.causal(padding, 1, 2, DType.BFLOAT16, Device.CPU).addend().dtype());
    }
  }

  private static AttentionMask mask(Tensor padding, long tokens, long past) {
    return AttentionMask.causal(padding, tokens, past, DType.FLOAT32, Device.CPU);
  }
}
