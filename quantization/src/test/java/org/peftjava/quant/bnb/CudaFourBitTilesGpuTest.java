package org.peftjava.quant.bnb;

import org.junit.jupiter.api.Tag;

/** The kernels on a card. */
@Tag("gpu")
class CudaFourBitTilesGpuTest extends CudaFourBitTilesContract {
  CudaFourBitTilesGpuTest() {
    super(KernelPlace.CARD);
  }
}
