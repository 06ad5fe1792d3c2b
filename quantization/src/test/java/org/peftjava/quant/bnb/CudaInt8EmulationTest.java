package org.peftjava.quant.bnb;

import org.junit.jupiter.api.Tag;

/** The kernels, compiled for the CPU. */
@Tag("cuda-emulation")
class CudaInt8EmulationTest extends CudaInt8Contract {
  CudaInt8EmulationTest() {
    super(KernelPlace.CPU);
  }
}
