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

  @Test
  void aWindowHidesWhatIsTooOld() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor padding = Creation.ofLongs(new long[][] {{0, 1, 1, 1, 1}});
      Tensor addend = sliding(null, 3, 2, 2).addend();
      assertEquals(Shape.of(1, 1, 3, 5), addend.shape());
      assertArrayEquals(
          new float[] {NO, 0, 0, NO, NO, NO, NO, 0, 0, NO, NO, NO, NO, 0, 0}, addend.toFloats());
      assertArrayEquals(
          new float[] {NO, 0, 0, NO, NO, NO, 0, 0, 0, NO, NO, NO, 0, 0, 0},
          sliding(padding, 3, 2, 3).addend().toFloats());
    }
  }

  @Test
  void aWindowThatHoldsAllOrServesOneTokenNeedsNoMaskOfItsOwn() {
    try (TensorScope scope = TensorScope.open("test")) {
      assertEquals(new AttentionMask(null, true), sliding(null, 4, 0, 4));
      assertEquals(new AttentionMask(null, false), sliding(null, 1, 6, 3));
      Tensor padding = Creation.ofLongs(new long[][] {{0, 0, 1, 1, 1}});
      AttentionMask one = sliding(padding, 1, 4, 3);
      assertArrayEquals(new float[] {NO, NO, 0, 0, 0}, one.addend().toFloats());
      assertArrayEquals(new float[] {NO, 0, 0, 0}, one.ofLast(4).addend().toFloats());
      assertEquals(new AttentionMask(null, false), sliding(null, 1, 6, 3).ofLast(3));
    }
  }

  @Test
  void aBiasIsAddedToWhatIsSeen() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor bias = Creation.ofFloats(new float[] {1, 2, 3, 4, 5, 6}, 1, 2, 1, 3);
      AttentionMask one = mask(null, 1, 2).biased(bias);
      assertArrayEquals(bias.toFloats(), one.addend().toFloats());
      AttentionMask all = mask(null, 3, 0).biased(bias);
      assertEquals(Shape.of(1, 2, 3, 3), all.addend().shape());
      assertArrayEquals(
          new float[] {1, NO, NO, 1, 2, NO, 1, 2, 3, 4, NO, NO, 4, 5, NO, 4, 5, 6},
          all.addend().toFloats());
      Tensor padding = Creation.ofLongs(new long[][] {{0, 1, 1}});
      assertArrayEquals(
          new float[] {NO, 2, 3, NO, 5, 6}, mask(padding, 1, 2).biased(bias).addend().toFloats());
    }
  }

  private static AttentionMask sliding(Tensor padding, long tokens, long past, long window) {
    return AttentionMask.sliding(
        mask(padding, tokens, past), window, padding, tokens, past, DType.FLOAT32, Device.CPU);
  }

  private static AttentionMask mask(Tensor padding, long tokens, long past) {
    return AttentionMask.causal(padding, tokens, past, DType.FLOAT32, Device.CPU);
  }
}
