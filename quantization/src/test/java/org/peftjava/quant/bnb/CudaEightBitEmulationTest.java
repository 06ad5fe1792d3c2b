package org.peftjava.quant.bnb;

import org.junit.jupiter.api.Tag;

/** The kernels, compiled for the CPU. */
@Tag("cuda-emulation")
class CudaEightBitEmulationTest extends CudaEightBitContract {
  CudaEightBitEmulationTest() {
    super(KernelPlace.CPU);
  }
}
