package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.TreeSet;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The kernels, compiled for the CPU. */
@Tag("cuda-emulation")
class CudaFourBitEmulationTest extends CudaFourBitContract {
  CudaFourBitEmulationTest() {
    super(KernelPlace.CPU);
  }

  /** NvrtcTest holds the compiled kernels to the same names. */
  @Test
  void everyKernelIsThere() {
    assertEquals(KernelNames.all(), new TreeSet<>(EmulatedLauncher.kernels()));
  }
}
