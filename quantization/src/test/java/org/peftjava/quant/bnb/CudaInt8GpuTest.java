package org.peftjava.quant.bnb;

import org.junit.jupiter.api.Tag;

/** The kernels on a card. */
@Tag("gpu")
class CudaInt8GpuTest extends CudaInt8Contract {
  CudaInt8GpuTest() {
    super(KernelPlace.CARD);
  }
}
