package org.peftjava.torch.nn;

import org.peftjava.torch.Dropouts;
import org.peftjava.torch.Tensor;

/**
 * Sets each element to zero with probability p while training, and scales the others by {@code
 * 1/(1-p)}.
 */
public final class Dropout extends Module implements Layer {
  private final double p;

  /** A dropout layer; {@code p} in [0, 1). */
  public Dropout(double p) {
    if (p < 0 || p >= 1) {
      throw new IllegalArgumentException("Dropout probability must be in [0, 1), got " + p + ".");
    }
    this.p = p;
  }

  /** The probability. */
  public double p() {
    return p;
  }

  @Override
  public Tensor forward(Tensor x) {
    return isTraining() ? Dropouts.dropout(x, p) : x;
  }
}
