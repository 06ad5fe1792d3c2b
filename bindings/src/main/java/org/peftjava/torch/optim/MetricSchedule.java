package org.peftjava.torch.optim;

import java.util.Map;

/** Changes an optimizer's learning rate by what is measured: call {@link #step} after measuring. */
public interface MetricSchedule {
  /** Takes a measurement, and may change the rate of the optimizer's next step. */
  void step(double metric);

  /** What a resumed run needs, by Python's names. */
  Map<String, Double> stateDict();

  /** Goes on where {@link #stateDict} was taken; also sets the optimizer's rate. */
  void loadStateDict(Map<String, Double> state);
}
