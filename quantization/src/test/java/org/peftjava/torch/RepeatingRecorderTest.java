package org.peftjava.torch;

import org.peftjava.torch.cuda.RepeatingRecorder;

/** The stand-in for devices that cannot record. */
class RepeatingRecorderTest extends StepRecorderContract {
  RepeatingRecorderTest() {
    super(Device.CPU, new RepeatingRecorder());
  }
}
