package org.peftjava.quant.bnb;

import org.junit.jupiter.api.Tag;

/** The kernels, compiled for the CPU. */
@Tag("cuda-emulation")
class CudaLayersEmulationTest extends CudaLayersContract {
  CudaLayersEmulationTest() {
    super(KernelPlace.CPU);
  }
}
