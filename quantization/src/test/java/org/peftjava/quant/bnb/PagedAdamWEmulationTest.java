package org.peftjava.quant.bnb;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.peftjava.torch.cuda.ManagedAllocator;

/** The kernels, compiled for the CPU, over memory that finds whoever writes what it should not. */
@Tag("cuda-emulation")
class PagedAdamWEmulationTest extends PagedAdamWContract {
  private final GuardedAllocator memory = new GuardedAllocator();

  PagedAdamWEmulationTest() {
    super(KernelPlace.CPU);
  }

  @Override
  ManagedAllocator allocator() {
    return memory;
  }

  /** There is nowhere to go. */
  @Override
  void evict(long address, long bytes) {}

  @AfterEach
  final void checkMemory() {
    memory.close();
  }
}
