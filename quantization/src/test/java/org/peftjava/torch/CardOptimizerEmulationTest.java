package org.peftjava.torch;

import org.junit.jupiter.api.Tag;
import org.peftjava.quant.bnb.EmulatedLauncher;

/** The kernels compiled for the CPU. */
@Tag("cuda-emulation")
class CardOptimizerEmulationTest extends CardOptimizerContract {
  CardOptimizerEmulationTest() {
    super(Device.CPU, new EmulatedLauncher());
  }
}
