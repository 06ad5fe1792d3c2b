package org.peftjava.transformers.training;

import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/**
 * Adds up losses on the device and reads them only when asked. The sum since the last log line is
 * float32, as transformers' is.
 */
final class LossMeter implements AutoCloseable {
  private final Tensor sum;
  private double loggedLoss;
  private int loggedStep;

  LossMeter(Device device) {
    try (TensorScope scope = TensorScope.open("loss meter")) {
      sum = Creation.zeros(DType.FLOAT32, device).escape();
    }
  }

  /** Continues where a checkpoint stopped. */
  void restore(float unlogged, double logged, int step) {
    sum.fillInPlace(unlogged);
    loggedLoss = logged;
    loggedStep = step;
  }

  void add(Tensor loss) {
    sum.addInPlace(loss.detach());
  }

  /** The mean of the steps since the last call; a device sync. */
  double take(int step) {
    double unlogged = sum.toDouble();
    double mean = unlogged / (step - loggedStep);
    loggedLoss += unlogged;
    loggedStep = step;
    sum.fillInPlace(0);
    return mean;
  }

  /** The sum of the losses since the last log line; a device sync. */
  double unlogged() {
    return sum.toDouble();
  }

  double loggedLoss() {
    return loggedLoss;
  }

  int loggedStep() {
    return loggedStep;
  }

  @Override
  public void close() {
    sum.close();
  }
}
