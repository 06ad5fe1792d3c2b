package org.peftjava.torch;

import org.junit.jupiter.api.Tag;
import org.peftjava.quant.bnb.EmulatedLauncher;

/** The kernel compiled for the CPU. */
@Tag("cuda-emulation")
class DecodeAttentionEmulationTest extends DecodeAttentionContract {
  DecodeAttentionEmulationTest() {
    super(Device.CPU, new EmulatedLauncher());
  }
}
