package org.peftjava.torch.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.bytedeco.cuda.cudart.CUctx_st;
import org.bytedeco.cuda.cudart.CUmemLocation_v1;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.IntPointer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.PagedTensor;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/** A card's managed memory: that it is some, that it moves, that it is freed. A few MB only. */
@Tag("gpu")
class DriverAllocatorTest {
  private static final Device CARD = Device.cuda(0);
  private static final int NUMBERS = 1 << 20;

  private final ManagedAllocator allocator = ManagedAllocator.on(0).orElseThrow();
  private final CUctx_st context = CudaDriver.primaryContext(0);
  private TensorScope scope;

  @BeforeEach
  void open() {
    scope = TensorScope.open("test");
  }

  @AfterEach
  void close() {
    scope.close();
  }

  /** As when the card is full; another piece of work cannot tell. */
  private void moveToHost(long address, long bytes) {
    try (CudaDriver.Entered entered = CudaDriver.enter(context);
        CUmemLocation_v1 host = new CUmemLocation_v1()) {
      Cards.synchronize(0);
      host.type(cudart.CU_MEM_LOCATION_TYPE_HOST).id(0);
      CudaDriver.check(
          cudart.cuMemPrefetchAsync(address, bytes, host, 0, new CUstream_st()), "to the host");
      CudaDriver.check(cudart.cuCtxSynchronize(), "cuCtxSynchronize");
    }
  }

  /** What the driver says of an address: 1 for managed memory; throws if it knows of none there. */
  private int isManaged(long address) {
    try (CudaDriver.Entered entered = CudaDriver.enter(context);
        IntPointer value = new IntPointer(new int[] {-1})) {
      CudaDriver.check(
          cudart.cuPointerGetAttribute(value, cudart.CU_POINTER_ATTRIBUTE_IS_MANAGED, address),
          "cuPointerGetAttribute");
      return value.get();
    }
  }

  @Test
  void isManagedUntilItIsFreed() {
    ManagedMemory memory = ManagedMemory.allocate(allocator, 4 << 20).orElseThrow();
    long address = memory.address();
    try (memory) {
      assertEquals(1, isManaged(address));
      assertEquals(1, isManaged(address + (4 << 20) - 1));
      Tensor other = Creation.zeros(DType.FLOAT32, CARD, 8);
      assertEquals(0, isManaged(other.address()));
    }
    assertThrows(CudaException.class, () -> isManaged(address));
    memory.close();
  }

  @Test
  void tensorsAreOnTheCardWhereverThePagesAre() {
    Tensor values = Creation.randn(DType.FLOAT32, NUMBERS);
    try (PagedTensor paged = PagedTensor.zeros(allocator, DType.FLOAT32, CARD, NUMBERS)) {
      Tensor tensor = paged.tensor();
      assertEquals(CARD, tensor.device());
      assertEquals(1, isManaged(tensor.address()));
      assertArrayEquals(new float[NUMBERS], tensor.toFloats());
      tensor.copyInPlace(values);
      long bytes = 4L * NUMBERS;

      moveToHost(tensor.address(), bytes);
      assertArrayEquals(values.toFloats(), tensor.toFloats(), "copied from the host's pages");

      moveToHost(tensor.address(), bytes);
      paged.prefetch();
      tensor.addInPlace(values.to(CARD));
      assertArrayEquals(values.mul(2).toFloats(), tensor.toFloats(), "fetched");

      moveToHost(tensor.address(), bytes);
      tensor.addInPlace(values.to(CARD), 2);
      assertArrayEquals(values.mul(4).toFloats(), tensor.toFloats(), "faulted in");
    }
  }

  /** The card still works on what is closed, which waits. */
  @Test
  void closingWaitsForTheCard() {
    Tensor one = Creation.full(DType.FLOAT32, 1, 1).to(CARD);
    for (int round = 0; round < 20; round++) {
      Tensor read;
      try (PagedTensor paged = PagedTensor.zeros(allocator, DType.FLOAT32, CARD, NUMBERS)) {
        for (int i = 0; i < 50; i++) {
          paged.tensor().addInPlace(one);
        }
        read = paged.tensor().mul(1);
      }
      assertEquals(50, read.min().toDouble());
      assertEquals(50, read.max().toDouble());
      read.close();
    }
  }

  @Test
  void anotherThreadMayFree() throws InterruptedException, ExecutionException {
    ManagedMemory memory = ManagedMemory.allocate(allocator, 1 << 20).orElseThrow();
    long address = memory.address();
    memory.prefetch();
    ExecutorService other = Executors.newSingleThreadExecutor();
    try {
      other.submit(memory::close).get();
    } finally {
      other.shutdown();
    }
    assertThrows(CudaException.class, () -> isManaged(address));
  }

  @Test
  void whatIsFreedIsNotFreedAgain() {
    long address = allocator.allocate(4096);
    assertNotEquals(0, address);
    allocator.free(address);
    String message = assertThrows(CudaException.class, () -> allocator.free(address)).getMessage();
    assertTrue(message.startsWith("cuMemFree failed: CUDA_ERROR_"), message);
  }
}
