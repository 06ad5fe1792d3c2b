package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.bytedeco.cuda.cudart.CUmemLocation_v1;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.cudart;
import org.junit.jupiter.api.Tag;
import org.peftjava.torch.cuda.Cards;
import org.peftjava.torch.cuda.ManagedAllocator;

/** The kernels on a card, over managed memory that is moved to the host after each step. */
@Tag("gpu")
class PagedAdamWGpuTest extends PagedAdamWContract {
  PagedAdamWGpuTest() {
    super(KernelPlace.CARD);
  }

  @Override
  ManagedAllocator allocator() {
    return ManagedAllocator.on(0).orElseThrow();
  }

  @Override
  void evict(long address, long bytes) {
    Cards.synchronize(0); // which makes libtorch's context this thread's
    try (CUmemLocation_v1 host = new CUmemLocation_v1()) {
      host.type(cudart.CU_MEM_LOCATION_TYPE_HOST).id(0);
      assertEquals(
          cudart.CUDA_SUCCESS,
          cudart.cuMemPrefetchAsync(address, bytes, host, 0, new CUstream_st()));
    }
    Cards.synchronize(0);
  }
}
