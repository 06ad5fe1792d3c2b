package org.peftjava.torch.optim;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Lowers the learning rate when a measurement has stopped getting better: {@code
 * torch.optim.lr_scheduler.ReduceLROnPlateau}.
 *
 * <p>Groups of an optimizer keep the ratios of their rates; the limits are those of the first.
 */
public final class ReduceLROnPlateau implements MetricSchedule {
  /**
   * The options, with torch's defaults in {@link #defaults}.
   *
   * @param comparison what is better
   * @param factor below 1, which the rate is multiplied with
   * @param patience measurements that are not better before the rate falls
   * @param cooldown measurements after a fall that do not count
   * @param minLr the lowest rate
   * @param eps a smaller change of the rate is left out
   */
  public record Options(
      MetricComparison comparison,
      double factor,
      int patience,
      int cooldown,
      double minLr,
      double eps) {
    /** Checks the factor. */
    public Options {
      if (!(factor < 1)) {
        throw new IllegalArgumentException("factor is " + factor + ". Expected a number below 1.");
      }
    }

    /** torch's defaults: a tenth after 10 measurements that are not better by 1e-4 of the best. */
    public static Options defaults() {
      return new Options(MetricComparison.of("min", 1e-4, "rel"), 0.1, 10, 0, 0, 1e-8);
    }
  }

  private final Optimizer optimizer;
  private final Options options;
  private double best;
  private int numBadEpochs;
  private int cooldownCounter;
  private int lastEpoch;

  /** Begins with the optimizer's rate. */
  public ReduceLROnPlateau(Optimizer optimizer, Options options) {
    this.optimizer = optimizer;
    this.options = options;
    best = options.comparison().worst();
  }

  @Override
  public void step(double metric) {
    lastEpoch++;
    if (options.comparison().isBetter(metric, best)) {
      best = metric;
      numBadEpochs = 0;
    } else {
      numBadEpochs++;
    }
    if (cooldownCounter > 0) {
      cooldownCounter--;
      numBadEpochs = 0;
    }
    if (numBadEpochs > options.patience()) {
      double old = optimizer.learningRate();
      double lower = Math.max(old * options.factor(), options.minLr());
      if (old - lower > options.eps()) {
        optimizer.learningRate(lower);
      }
      cooldownCounter = options.cooldown();
      numBadEpochs = 0;
    }
  }

  @Override
  public Map<String, Double> stateDict() {
    Map<String, Double> state = new LinkedHashMap<>();
    state.put("best", best);
    state.put("num_bad_epochs", (double) numBadEpochs);
    state.put("cooldown_counter", (double) cooldownCounter);
    state.put("last_epoch", (double) lastEpoch);
    state.put("_last_lr", optimizer.learningRate());
    return state;
  }

  @Override
  public void loadStateDict(Map<String, Double> state) {
    best = state.getOrDefault("best", best);
    numBadEpochs = state.getOrDefault("num_bad_epochs", 0.0).intValue();
    cooldownCounter = state.getOrDefault("cooldown_counter", 0.0).intValue();
    lastEpoch = state.getOrDefault("last_epoch", 0.0).intValue();
    optimizer.learningRate(state.getOrDefault("_last_lr", optimizer.learningRate()));
  }
}
