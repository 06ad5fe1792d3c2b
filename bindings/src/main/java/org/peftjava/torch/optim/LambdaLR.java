package org.peftjava.torch.optim;

/**
 * Changes an optimizer's learning rate by a schedule, in a training loop of one's own: call {@link
 * #step} after each step of the optimizer.
 *
 * <p>Reference: {@code torch.optim.lr_scheduler.LambdaLR}. Groups of an optimizer keep the ratios
 * of their rates.
 */
public final class LambdaLR {
  private final Optimizer optimizer;
  private final LrSchedule schedule;
  private final double initial;
  private long lastEpoch;

  /** Begins with the optimizer's rate at step 0, which it sets. */
  public LambdaLR(Optimizer optimizer, LrSchedule schedule) {
    this.optimizer = optimizer;
    this.schedule = schedule;
    initial = optimizer.learningRate();
    apply();
  }

  /** Sets the rate of the next step of the optimizer. */
  public void step() {
    lastEpoch++;
    apply();
  }

  /** Goes to a step, of a run that is resumed. */
  public void step(long epoch) {
    lastEpoch = epoch;
    apply();
  }

  /** How many steps there were. */
  public long lastEpoch() {
    return lastEpoch;
  }

  /** The rate of the next step of the optimizer. */
  public double getLastLr() {
    return initial * schedule.factor(lastEpoch);
  }

  private void apply() {
    optimizer.learningRate(getLastLr());
  }
}
