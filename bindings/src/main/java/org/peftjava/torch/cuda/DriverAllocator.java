package org.peftjava.torch.cuda;

import java.util.Optional;
import org.bytedeco.cuda.cudart.CUctx_st;
import org.bytedeco.cuda.cudart.CUmemLocation_v1;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch_cuda;

/** Managed memory of a card from its driver, in libtorch's context. */
final class DriverAllocator implements ManagedAllocator {
  /** Every card's. */
  static final PerCard<ManagedAllocator> CARDS =
      new PerCard<>(
          "No managed memory for the state of paged optimizers, which stays on the card",
          device -> Optional.of(new DriverAllocator(device)));

  private final int device;
  private final CUctx_st context;

  private DriverAllocator(int device) {
    this.device = device;
    require(cudart.CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY, "has no managed memory");
    require(
        cudart.CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS,
        "cannot work while managed memory is on the host, so that none could leave it (as on"
            + " Windows and in WSL)");
    context = CudaDriver.primaryContext(device);
  }

  private void require(int attribute, String otherwise) {
    if (CudaDriver.attribute(device, attribute) == 0) {
      throw new CudaException("cuda:" + device + " " + otherwise + ".");
    }
  }

  @Override
  public long allocate(long bytes) {
    try (CudaDriver.Entered entered = CudaDriver.enter(context)) {
      long[] address = new long[1];
      int result = cudart.cuMemAllocManaged(address, bytes, cudart.CU_MEM_ATTACH_GLOBAL);
      if (result == cudart.CUDA_ERROR_OUT_OF_MEMORY) {
        return 0;
      }
      CudaDriver.check(result, "cuMemAllocManaged of " + bytes + " bytes");
      return address[0];
    }
  }

  @Override
  public void prefetch(long address, long bytes) {
    try (PointerScope scope = new PointerScope();
        CudaDriver.Entered entered = CudaDriver.enter(context)) {
      CUmemLocation_v1 card =
          new CUmemLocation_v1().type(cudart.CU_MEM_LOCATION_TYPE_DEVICE).id(device);
      CUstream_st stream = torch_cuda.getCurrentCUDAStream((byte) device).stream();
      CudaDriver.check(
          cudart.cuMemPrefetchAsync(address, bytes, card, 0, stream), "cuMemPrefetchAsync");
    }
  }

  @Override
  public void free(long address) {
    try (CudaDriver.Entered entered = CudaDriver.enter(context)) {
      CudaDriver.check(cudart.cuCtxSynchronize(), "cuCtxSynchronize");
      CudaDriver.check(cudart.cuMemFree(address), "cuMemFree");
    }
  }
}
