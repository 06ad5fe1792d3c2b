package org.peftjava.transformers.training;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Map;
import org.peftjava.torch.optim.MetricComparison;
import org.peftjava.torch.optim.MetricSchedule;
import org.peftjava.torch.optim.Optimizer;

/**
 * Raises the learning rate while a measurement gets better, and lowers it while it does not:
 * transformers' {@code GreedyLR}. Paper: arXiv:2512.14527.
 *
 * <p>Groups of an optimizer keep the ratios of their rates; the limits are those of the first.
 */
public final class GreedyLR implements MetricSchedule {
  private static final String WINDOW = "_streaming_avg.";

  /**
   * The options, with transformers' defaults in {@link #defaults}.
   *
   * @param comparison what is better
   * @param factor below 1: the rate is divided by it to rise, and multiplied with it to fall
   * @param patience measurements in a row before the rate changes
   * @param cooldown measurements after a fall that do not count
   * @param warmup measurements after a rise that do not count
   * @param minLr the lowest rate
   * @param maxLr the highest rate
   * @param eps a smaller change of the rate is left out
   * @param smooth whether the mean of the last measurements counts
   * @param windowSize how many these are
   * @param resetStart falls at the lowest rate before everything begins anew
   */
  public record Options(
      MetricComparison comparison,
      double factor,
      int patience,
      int cooldown,
      int warmup,
      double minLr,
      double maxLr,
      double eps,
      boolean smooth,
      int windowSize,
      int resetStart) {
    /** Checks the factor. */
    public Options {
      if (!(factor < 1)) {
        throw new IllegalArgumentException("factor is " + factor + ". Expected a number below 1.");
      }
    }

    /** transformers' defaults; the lowest rate is 0.001. */
    public static Options defaults() {
      return new Options(
          MetricComparison.of("min", 1e-6, "abs"), 0.95, 10, 0, 0, 1e-3, 1, 1e-8, false, 50, 500);
    }
  }

  private final Optimizer optimizer;
  private final Options options;
  private final Deque<Double> window = new ArrayDeque<>();
  private double initial;
  private double sum;
  private double best;
  private int numBadEpochs;
  private int numGoodEpochs;
  private int cooldownCounter;
  private int warmupCounter;
  private int resetStart;
  private int lastEpoch;

  /** Begins with the optimizer's rate. */
  public GreedyLR(Optimizer optimizer, Options options) {
    this.optimizer = optimizer;
    this.options = options;
    initial = optimizer.learningRate();
    begin();
  }

  private void begin() {
    best = options.comparison().worst();
    numBadEpochs = 0;
    numGoodEpochs = 0;
    cooldownCounter = 0;
    warmupCounter = 0;
    resetStart = options.resetStart();
    window.clear();
    sum = 0;
  }

  @Override
  public void step(double metric) {
    double current = options.smooth() ? mean(metric) : metric;
    lastEpoch++;
    if (cooldownCounter > 0) {
      cooldownCounter--;
      numBadEpochs = 0;
      numGoodEpochs = 0;
      return;
    }
    if (warmupCounter > 0) {
      warmupCounter--;
      numBadEpochs = 0;
      numGoodEpochs = 0;
      return;
    }
    if (options.comparison().isBetter(current, best)) {
      best = current;
      numBadEpochs = 0;
      numGoodEpochs++;
    } else {
      numBadEpochs++;
      numGoodEpochs = 0;
    }
    if (numGoodEpochs > options.patience()) {
      rise();
      warmupCounter = options.warmup();
      numGoodEpochs = 0;
    } else if (numBadEpochs > options.patience()) {
      fall();
    }
  }

  private double mean(double metric) {
    window.add(metric);
    sum += metric;
    if (window.size() > options.windowSize()) {
      sum -= window.remove();
    }
    return sum / window.size();
  }

  private void rise() {
    double old = optimizer.learningRate();
    double higher = Math.min(old / options.factor(), options.maxLr());
    if (higher - old > options.eps()) {
      optimizer.learningRate(higher);
    }
    resetStart = options.resetStart();
  }

  private void fall() {
    double old = optimizer.learningRate();
    double lower = Math.max(old * options.factor(), options.minLr());
    if (old - lower > options.eps()) {
      optimizer.learningRate(lower);
    }
    if (optimizer.learningRate() <= options.minLr()) {
      resetStart--;
      if (resetStart <= 0) {
        optimizer.learningRate(initial);
        begin();
      }
    }
    cooldownCounter = options.cooldown();
    numBadEpochs = 0;
  }

  @Override
  public Map<String, Double> stateDict() {
    Map<String, Double> state = new LinkedHashMap<>();
    state.put("best", best);
    state.put("num_bad_epochs", (double) numBadEpochs);
    state.put("num_good_epochs", (double) numGoodEpochs);
    state.put("cooldown_counter", (double) cooldownCounter);
    state.put("warmup_counter", (double) warmupCounter);
    state.put("reset_start", (double) resetStart);
    state.put("last_epoch", (double) lastEpoch);
    state.put("_last_lr", optimizer.learningRate());
    state.put("_init_lrs", initial);
    state.put(WINDOW + "sum", sum);
    int i = 0;
    for (double value : window) {
      state.put(WINDOW + i++, value);
    }
    return state;
  }

  @Override
  public void loadStateDict(Map<String, Double> state) {
    begin();
    best = state.getOrDefault("best", best);
    numBadEpochs = number(state, "num_bad_epochs");
    numGoodEpochs = number(state, "num_good_epochs");
    cooldownCounter = number(state, "cooldown_counter");
    warmupCounter = number(state, "warmup_counter");
    resetStart = state.getOrDefault("reset_start", (double) resetStart).intValue();
    lastEpoch = number(state, "last_epoch");
    initial = state.getOrDefault("_init_lrs", initial);
    optimizer.learningRate(state.getOrDefault("_last_lr", optimizer.learningRate()));
    sum = state.getOrDefault(WINDOW + "sum", 0.0);
    for (int i = 0; state.containsKey(WINDOW + i); i++) {
      window.add(state.getOrDefault(WINDOW + i, 0.0));
    }
  }

  private static int number(Map<String, Double> state, String name) {
    return state.getOrDefault(name, 0.0).intValue();
  }
}
