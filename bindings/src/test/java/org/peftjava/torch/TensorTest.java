package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What each method computes, on numbers worked out by hand. */
@ExtendWith(LedgerCheck.class)
class TensorTest {
  @Test
  void properties() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.zeros(DType.INT16, 2, 3, 4);
      assertEquals(DType.INT16, x.dtype());
      assertEquals(Device.CPU, x.device());
      assertEquals(Shape.of(2, 3, 4), x.shape());
      assertEquals(3, x.rank());
      assertEquals(24, x.numel());
      assertEquals(3, x.size(-2));
      assertEquals(12, x.stride(0));
      assertTrue(x.isContiguous());
      assertFalse(x.transpose(0, 1).isContiguous());
      assertEquals(x.address() + 2 * 12, x.select(0, 1).address());
      assertEquals("Tensor[2, 3, 4] int16", x.toString());
    }
  }

  @Test
  void sameOrCopy() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = numbers();
      assertSame(x, x.contiguous());
      assertSame(x, x.to(DType.FLOAT32));
      assertSame(x, x.to(Device.CPU));
      assertNotSame(x, x.t().contiguous());
      assertEquals(x.address(), x.alias().address());
      assertEquals(x.address(), x.detach().address());
      assertEquals(x.address(), x.reshape(-1).address());
      Tensor copy = x.copy();
      copy.fillInPlace(9);
      assertArrayEquals(new float[] {1, -2, 3, 4, 5, -6}, x.toFloats());
    }
  }

  @Test
  void views() {
    check(x -> x.t(), 1, 4, -2, 5, 3, -6);
    check(x -> x.transpose(0, 1).select(1, 1), 4, 5, -6);
    check(x -> x.permute(1, 0), 1, 4, -2, 5, 3, -6);
    check(x -> x.narrow(1, 1, 2), -2, 3, 5, -6);
    check(x -> x.select(0, -1), 4, 5, -6);
    check(x -> x.unsqueeze(1).squeeze(1).reshape(3, 2).select(1, 0), 1, 3, 5);
    check(x -> x.narrow(1, 0, 1).expand(-1, 2), 1, 1, 4, 4);
    check(x -> x.chunk(3, 1).get(1), -2, 5);
    check(x -> x.indexSelect(1, longs(2, 0)), 3, 1, -6, 4);
    check(x -> x.gather(1, longs(2, 0).reshape(2, 1)), 3, 4);
    check(x -> x.viewAs(DType.INT32).viewAs(DType.FLOAT32), 1, -2, 3, 4, 5, -6);
  }

  @Test
  void arithmetic() {
    check(x -> x.add(x), 2, -4, 6, 8, 10, -12);
    check(x -> x.add(x, -0.5), 0.5f, -1, 1.5f, 2, 2.5f, -3);
    check(x -> x.add(0.25), 1.25f, -1.75f, 3.25f, 4.25f, 5.25f, -5.75f);
    check(x -> x.sub(x.select(0, 0)), 0, 0, 0, 3, 7, -9);
    check(x -> x.mul(x), 1, 4, 9, 16, 25, 36);
    check(x -> x.mul(-2), -2, 4, -6, -8, -10, 12);
    check(x -> x.div(x.select(1, 0).unsqueeze(1)), 1, -2, 3, 1, 1.25f, -1.5f);
    check(x -> x.div(4), 0.25f, -0.5f, 0.75f, 1, 1.25f, -1.5f);
    check(x -> x.neg().abs().pow(2).sqrt(), 1, 2, 3, 4, 5, 6);
    check(x -> x.mul(0).exp(), 1, 1, 1, 1, 1, 1);
    check(x -> x.abs().log().exp(), 1, 2, 3, 4, 5, 6);
    check(x -> x.matmul(x.t()), 14, -24, -24, 77);
  }

  @Test
  void reductions() {
    check(Tensor::sum, 5);
    check(x -> x.sum(0), 5, 3, -3);
    check(x -> x.sum(0, 1), 5);
    check(x -> x.mean().mul(6), 5);
    check(x -> x.cumsum(1), 1, -1, 2, 4, 9, 3);
    check(Tensor::max, 5);
    check(Tensor::min, -6);
    check(x -> x.argmax(1), 2, 1);
    check(x -> x.argmax(0), 1, 1, 0);
  }

  @Test
  void comparisons() {
    check(x -> x.eq(3), 0, 0, 1, 0, 0, 0);
    check(x -> x.ne(3), 1, 1, 0, 1, 1, 1);
    check(x -> x.gt(3), 0, 0, 0, 1, 1, 0);
    check(x -> x.lt(x.neg()), 0, 1, 0, 0, 0, 1);
    check(x -> x.gt(1).and(x.gt(4).not()), 0, 0, 1, 1, 0, 0);
    check(x -> x.maskedFill(x.lt(x.neg()), 0.5), 1, 0.5f, 3, 4, 5, 0.5f);
    try (TensorScope scope = TensorScope.open("test")) {
      assertTrue(numbers().isFinite());
      assertFalse(numbers().div(0).isFinite());
      assertFalse(numbers().mul(Double.NaN).isFinite());
    }
  }

  @Test
  void inPlace() {
    checkInPlace(x -> x.addInPlace(x, 2), 3, -6, 9, 12, 15, -18);
    checkInPlace(x -> x.addInPlace(x), 2, -4, 6, 8, 10, -12);
    checkInPlace(x -> x.addInPlace(0.5), 1.5f, -1.5f, 3.5f, 4.5f, 5.5f, -5.5f);
    checkInPlace(x -> x.subInPlace(x, 0.5), 0.5f, -1, 1.5f, 2, 2.5f, -3);
    checkInPlace(x -> x.mulInPlace(3), 3, -6, 9, 12, 15, -18);
    checkInPlace(x -> x.mulInPlace(x), 1, 4, 9, 16, 25, 36);
    checkInPlace(x -> x.divInPlace(2), 0.5f, -1, 1.5f, 2, 2.5f, -3);
    checkInPlace(x -> x.copyInPlace(longs(7, 8, 9)), 7, 8, 9, 7, 8, 9);
    checkInPlace(x -> x.lerpInPlace(x.mul(3), 0.25), 1.5f, -3, 4.5f, 6, 7.5f, -9);
    checkInPlace(x -> x.addcmulInPlace(x, x, 2), 3, 6, 21, 36, 55, 66);
    checkInPlace(x -> x.addcdivInPlace(x.mul(6), x, 0.5), 4, 1, 6, 7, 8, -3);
    checkInPlace(x -> x.fillInPlace(-0.5), -0.5f, -0.5f, -0.5f, -0.5f, -0.5f, -0.5f);
    checkInPlace(x -> x.indexFillInPlace(1, longs(0, 2), 0.5), 0.5f, -2, 0.5f, 0.5f, 5, 0.5f);
  }

  @Test
  void randomFillsHaveTheirMoments() {
    try (TensorScope scope = TensorScope.open("test")) {
      Randomness.manualSeed(1);
      Tensor x = Creation.empty(DType.FLOAT64, Device.CPU, 100_000);
      double mean = x.normalInPlace(3, 0.5).mean().toDouble();
      double std = x.sub(Creation.full(DType.FLOAT64, mean)).pow(2).mean().sqrt().toDouble();
      assertEquals(3, mean, 0.01);
      assertEquals(0.5, std, 0.01);
      x.uniformInPlace(-1, 4);
      assertEquals(1.5, x.mean().toDouble(), 0.03);
      assertTrue(x.min().toDouble() >= -1 && x.max().toDouble() < 4);
    }
  }

  @Test
  void wholeNumbersKeepIntegersExact() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = longs(Long.MAX_VALUE - 5, 2);
      assertEquals(DType.INT64, x.add(3).dtype());
      assertArrayEquals(new long[] {Long.MAX_VALUE - 2, 5}, x.add(3).toLongs());
      assertEquals(DType.FLOAT32, x.mul(0.5).dtype());
    }
  }

  @Test
  void gradients() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = numbers().requiresGrad(true);
      assertTrue(x.grad().isEmpty());
      x.mul(x).sum().backward();
      x.sum(1).backward(Creation.ofFloats(new float[] {10, 20}, 2));
      assertArrayEquals(new float[] {12, 6, 16, 28, 30, 8}, x.grad().orElseThrow().toFloats());
      x.setGrad(numbers().detach());
      assertArrayEquals(new float[] {1, -2, 3, 4, 5, -6}, x.grad().orElseThrow().toFloats());
      x.setGrad(null);
      assertTrue(x.grad().isEmpty());
      assertFalse(x.requiresGrad(false).requiresGrad());
      assertThrows(TorchException.class, () -> longs(1).requiresGrad(true));
    }
  }

  @Test
  void gradientsMustBeAlike() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = numbers();
      for (Tensor bad : List.of(x.t(), x.to(DType.FLOAT64), x.narrow(0, 0, 1))) {
        TorchException.ShapeMismatch e =
            assertThrows(TorchException.ShapeMismatch.class, () -> x.setGrad(bad));
        assertEquals(
            "A gradient of "
                + bad
                + " does not belong to Tensor[2, 3] float32: both must be alike.",
            e.getMessage());
      }
      Tensor y = x.copy().requiresGrad(true).mul(2);
      assertThrows(TorchException.class, () -> y.backward());
      assertThrows(TorchException.class, () -> y.backward(longs(1)));
    }
  }

  private static void check(Function<Tensor, Tensor> operation, float... expected) {
    try (TensorScope scope = TensorScope.open("test")) {
      float[] actual = operation.apply(numbers()).toFloats();
      Values.assertClose(expected, actual, 1e-6, "result");
    }
  }

  private static void checkInPlace(Function<Tensor, Tensor> operation, float... expected) {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = numbers();
      assertSame(x, operation.apply(x));
      assertArrayEquals(expected, x.toFloats());
    }
  }

  private static Tensor numbers() {
    return Creation.ofFloats(new float[] {1, -2, 3, 4, 5, -6}, 2, 3);
  }

  private static Tensor longs(long... values) {
    return Creation.ofLongs(values, values.length);
  }
}
