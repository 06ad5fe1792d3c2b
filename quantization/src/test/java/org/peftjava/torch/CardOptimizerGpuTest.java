package org.peftjava.torch;

import org.junit.jupiter.api.Tag;
import org.peftjava.torch.cuda.TrainingKernels;

/** The kernels on a card. */
@Tag("gpu")
class CardOptimizerGpuTest extends CardOptimizerContract {
  CardOptimizerGpuTest() {
    super(Device.cuda(0), TrainingKernels.on(0).orElseThrow());
  }
}
