package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.bytedeco.javacpp.LongPointer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.peftjava.torch.cuda.HostAllocator;

/** Tensors over memory that they do not own. */
@ExtendWith(LedgerCheck.class)
class PagedTensorTest {
  private static final Device NO_CARD = Device.cuda(120);

  private final HostAllocator allocator = new HostAllocator();

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"FLOAT32", "BFLOAT16", "UINT8"})
  void isATensorLikeOthers(DType type) {
    long live = TensorLedger.liveTensors();
    try (TensorScope scope = TensorScope.open("test");
        PagedTensor paged = PagedTensor.zeros(allocator, type, Device.CPU, 1001)) {
      Tensor tensor = paged.tensor();
      assertEquals(type, tensor.dtype());
      assertEquals(Device.CPU, tensor.device());
      assertEquals(Shape.of(1001), tensor.shape());
      assertTrue(tensor.isContiguous());
      assertEquals(live + 1, TensorLedger.liveTensors());
      assertArrayEquals(new byte[1001 * type.byteSize()], tensor.toBytes());

      Tensor values = Creation.randn(DType.FLOAT32, 1001).mul(10).to(type);
      tensor.copyInPlace(values);
      paged.prefetch();
      assertArrayEquals(values.toBytes(), tensor.toBytes());
      assertArrayEquals(
          values.to(DType.FLOAT32).mul(2).toFloats(), tensor.to(DType.FLOAT32).mul(2).toFloats());
    }
    long bytes = 1001L * type.byteSize();
    assertEquals(
        List.of("allocate " + bytes, "prefetch " + bytes, "free"),
        allocator.calls(),
        "freed by its owner alone");
  }

  /** The tensor may outlive scopes and be closed by itself: the memory stays its owner's. */
  @Test
  void onlyTheOwnerFrees() {
    PagedTensor paged = PagedTensor.zeros(allocator, DType.FLOAT32, Device.CPU, 8);
    try (TensorScope scope = TensorScope.open("other")) {
      Tensor copy = paged.tensor().copy();
      paged.tensor().narrow(0, 2, 3).fillInPlace(4);
      assertArrayEquals(new float[8], copy.toFloats());
    }
    assertArrayEquals(new float[] {0, 0, 4, 4, 4, 0, 0, 0}, paged.tensor().toFloats());
    paged.tensor().close();
    assertEquals(1, allocator.live());
    paged.close();
    paged.close();
    assertEquals(List.of("allocate 32", "free"), allocator.calls());
    assertThrows(TorchException.ClosedTensor.class, () -> paged.tensor().toFloats());
    assertThrows(IllegalStateException.class, paged::prefetch);
  }

  @Test
  void saysWhenThereIsNoRoom() {
    allocator.full(true);
    String message =
        assertThrows(
                TorchException.OutOfDeviceMemory.class,
                () -> PagedTensor.zeros(allocator, DType.FLOAT32, Device.CPU, 1L << 40))
            .getMessage();
    assertTrue(message.contains("4,398,046,511,104 bytes of managed memory"), message);
    assertTrue(message.contains("Live tensors"), message);
    assertThrows(
        ArithmeticException.class,
        () -> PagedTensor.zeros(allocator, DType.FLOAT32, Device.CPU, Long.MAX_VALUE));
    assertThrows(
        IllegalArgumentException.class,
        () -> PagedTensor.zeros(allocator, DType.FLOAT32, Device.CPU, 0));
    assertEquals(0, allocator.live());
  }

  /** A tensor that says it is on a card can be made of any address, even where there is no card. */
  @Test
  void libtorchAsksNothingOfTheAddress() {
    try (TensorScope scope = TensorScope.open("test");
        LongPointer memory = new LongPointer(4)) {
      Tensor tensor = PagedTensor.over(memory.address(), DType.FLOAT32, NO_CARD, 8);
      assertEquals(NO_CARD, tensor.device());
      assertEquals(memory.address(), tensor.address());
      assertEquals(8, tensor.numel());
    }
  }

  /** The memory is there, but the card that should fill it is not. */
  @Test
  void nothingIsLeftOfWhatFails() {
    assertThrows(
        TorchException.class, () -> PagedTensor.zeros(allocator, DType.FLOAT32, NO_CARD, 8));
    assertEquals(List.of("allocate 32", "free"), allocator.calls());
  }
}
