package org.peftjava.torch;

import org.junit.jupiter.api.Tag;
import org.peftjava.quant.bnb.EmulatedLauncher;

/** The kernels compiled for the CPU. */
@Tag("cuda-emulation")
class CardPathEmulationTest extends CardPathContract {
  CardPathEmulationTest() {
    super(Device.CPU, new EmulatedLauncher());
  }
}
