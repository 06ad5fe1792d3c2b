package org.peftjava.peft.tuner;

/** An adapter whose change of the layer is multiplied by a number. */
public interface ScaledAdapter {
  /** The number. */
  double scaling();

  /** Sets the number. */
  void scaling(double value);

  /** The number that the config gives, such as alpha/r. */
  double initialScaling();
}
