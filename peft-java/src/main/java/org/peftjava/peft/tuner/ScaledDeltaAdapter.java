package org.peftjava.peft.tuner;

/** An adapter that adds a matrix times a number, which can be changed, to a weight. */
public abstract class ScaledDeltaAdapter extends DeltaAdapter implements ScaledAdapter {
  private final double initialScaling;
  private double scaling;

  /** For subclasses; {@code scaling} is what the config gives, such as alpha/r. */
  protected ScaledDeltaAdapter(double scaling) {
    initialScaling = scaling;
    this.scaling = scaling;
  }

  @Override
  public final double scaling() {
    return scaling;
  }

  @Override
  public final void scaling(double value) {
    scaling = value;
  }

  @Override
  public final double initialScaling() {
    return initialScaling;
  }
}
