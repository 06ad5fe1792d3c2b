package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What is kept of a tensor's layout against what libtorch says. */
@ExtendWith(LedgerCheck.class)
class LayoutTest {
  @Test
  void answersAreLibtorchs() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.randn(DType.FLOAT32, 3, 1, 4, 5);
      for (Tensor each :
          List.of(
              x,
              Creation.empty(DType.BFLOAT16, Device.CPU, 2, 3),
              Creation.empty(DType.BFLOAT16, Device.CPU),
              Creation.zeros(DType.INT64, 2, 0, 3),
              x.transpose(0, 1),
              x.transpose(2, 3),
              x.narrow(0, 1, 2),
              x.narrow(3, 1, 2),
              x.narrow(2, 1, 0),
              x.select(0, 1),
              x.expand(3, 2, 4, 5),
              x.sum(),
              x.reshape(6, 10).t(),
              x.to(DType.FLOAT16))) {
        assertLayout(each);
      }
    }
  }

  private static void assertLayout(Tensor x) {
    org.bytedeco.pytorch.Tensor handle = x.handle();
    assertEquals(DType.of(handle.scalar_type()), x.dtype());
    assertEquals(handle.dim(), x.rank());
    assertEquals(handle.numel(), x.numel());
    assertEquals(handle.is_contiguous(), x.isContiguous(), x.toString());
    assertEquals(x.numel() == 0 ? 0 : handle.data_ptr().address(), x.address());
    long[] sizes = IntStream.range(0, x.rank()).mapToLong(handle::size).toArray();
    assertArrayEquals(sizes, x.shape().toArray());
    for (int i = 0; i < x.rank(); i++) {
      assertEquals(handle.stride(i), x.stride(i), x.toString());
      assertEquals(handle.stride(i), x.stride(i - x.rank()), x.toString());
      assertEquals(handle.size(i), x.size(i - x.rank()), x.toString());
    }
  }

  @Test
  void dimensionsThatAreNotThereAreErrors() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.zeros(DType.FLOAT32, 2, 3);
      assertThrows(TorchException.class, () -> x.size(2));
      assertThrows(TorchException.class, () -> x.size(-3));
      assertThrows(TorchException.class, () -> x.stride(2));
      Tensor scalar = x.sum();
      assertThrows(TorchException.class, () -> scalar.size(0));
    }
  }

  @Test
  void sizesThatWereGivenMayChangeLater() {
    try (TensorScope scope = TensorScope.open("test")) {
      long[] sizes = {2, 3};
      Tensor x = Creation.zeros(DType.FLOAT32, sizes);
      sizes[0] = 7;
      x.shape().toArray()[1] = 9;
      assertEquals(Shape.of(2, 3), x.shape());
    }
  }
}
