package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@ExtendWith(LedgerCheck.class)
class HostCopiesTest {
  @ParameterizedTest
  @EnumSource
  void everyTypeRoundTrips(DType type) {
    float[] values = type == DType.BOOL ? new float[] {1, 0, 1} : new float[] {5, 0, 127};
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor tensor = Creation.ofFloats(values, 3).to(type);
      assertEquals(type, tensor.dtype());
      assertArrayEquals(values, tensor.toFloats());
      assertArrayEquals(
          new long[] {(long) values[0], (long) values[1], (long) values[2]}, tensor.toLongs());
      byte[] bytes = tensor.toBytes();
      assertEquals(3 * type.byteSize(), bytes.length);
      Tensor again = Creation.ofBytes(bytes, bytes.length).viewAs(type);
      assertArrayEquals(values, again.toFloats());
    }
  }

  @Test
  void bytesAreThoseOfThisMachine() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor values = Creation.ofFloats(new float[] {1.5f, -2}, 2);
      ByteBuffer expected = ByteBuffer.allocate(8).order(ByteOrder.nativeOrder());
      expected.putFloat(1.5f).putFloat(-2);
      assertArrayEquals(expected.array(), values.toBytes());
      expected = ByteBuffer.allocate(4).order(ByteOrder.nativeOrder());
      expected.putShort((short) 0x3FC0).putShort((short) 0xC000);
      assertArrayEquals(expected.array(), values.to(DType.BFLOAT16).toBytes());
    }
  }

  @Test
  void copiesFollowTheOrderOfRows() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.ofFloats(new float[] {1, 2, 3, 4, 5, 6}, 2, 3).requiresGrad(true);
      assertArrayEquals(new float[] {1, 4, 2, 5, 3, 6}, x.t().toFloats());
      assertArrayEquals(new long[] {2, 5}, x.select(1, 1).toLongs());
      assertArrayEquals(
          new float[] {7, 7, 7}, Creation.full(DType.INT8, 7, 1).expand(3).toFloats());
      assertArrayEquals(new float[] {3.5f}, Creation.full(DType.FLOAT64, 3.5).toFloats());
    }
  }

  @Test
  void emptyTensorsGiveEmptyArrays() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor empty = Creation.empty(DType.BFLOAT16, Device.CPU, 0, 4);
      assertEquals(0, empty.toFloats().length);
      assertEquals(0, empty.toLongs().length);
      assertEquals(0, empty.toBytes().length);
      assertEquals(0, empty.address());
    }
  }

  @Test
  void whatDoesNotFitIntoAnArrayIsAnError() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor huge = Creation.ones(DType.FLOAT32, 1).expand(1L << 31);
      IllegalArgumentException e = assertThrows(IllegalArgumentException.class, huge::toFloats);
      assertEquals(
          "A tensor of shape [2147483648] does not fit into one Java array. Copy parts of it with"
              + " narrow(...).",
          e.getMessage());
      assertThrows(IllegalArgumentException.class, () -> huge.narrow(0, 0, 1L << 30).toBytes());
    }
  }

  @Test
  void oneNumberNeedsOneElement() {
    try (TensorScope scope = TensorScope.open("test")) {
      assertEquals(3, Creation.full(DType.FLOAT32, 3.75).toLong());
      assertEquals(3.75, Creation.full(DType.BFLOAT16, 3.75, 1, 1).toDouble());
      assertThrows(TorchException.class, () -> Creation.ones(DType.FLOAT32, 2).toDouble());
      assertThrows(TorchException.class, () -> Creation.ones(DType.FLOAT32, 0).toLong());
    }
  }
}
